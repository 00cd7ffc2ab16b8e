/** This software's version, from the one place where it is written. */
import manifest from '../package.json' with { type: 'json' }

export const version = manifest.version

/**
 * The release of Ollama whose API this is: clients and registries compare it to decide what they may use, and some parse
 * three numbers. What OllamaMax's own version is, `/omx/v1/status` says.
 */
export const spokenOllamaVersion = '0.33.0'
