/** What Go calls the type of a JSON value: Ollama's errors do. */

export function goTypeOf(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'number':
      return 'float64'
    case 'string':
      return 'string'
    default:
      if (value === null || value === undefined) return '<nil>'
      return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}'
  }
}
