/** docs/configuration.md, made from the one table of settings: `npm run docs` writes it, a test proves it fresh. */
import { writeFileSync } from 'node:fs'
import { flagOf, type Setting, type SettingKey, settings, variableOf } from '../src/config.ts'

const page = new URL('../docs/configuration.md', import.meta.url)

const head = `# Configuration

Every setting of \`omx-node start\`, in the order of precedence: a flag, its \`OMX_\` variable, the variable of Ollama's that means
the same, a line of the YAML file that \`--config\` names, the default. Unknown keys and bad values are refused, all at once, with
where each came from and what was expected. Durations are written as in Go: \`300ms\`, \`30s\`, \`5m\`.

This page is made from \`src/config.ts\` by \`npm run docs\`.

| Flag | Variable | Default | What it is |
|---|---|---|---|
`

function row(key: SettingKey, setting: Setting): string {
  const argument = setting.argument === undefined ? '' : ` ${setting.argument}`
  const isOn = setting.argument === undefined && setting.fallback === 'true'
  const flag = isOn ? flagOf(key).replace('--', '--no-') : `${flagOf(key)}${argument}`
  const foreign = setting.foreign === undefined ? '' : `, \`${setting.foreign.variable}\``
  const fallback = setting.fallback === undefined || setting.fallback === '' ? '' : `\`${setting.fallback}\``
  return `| \`${flag}\` | \`${variableOf(key)}\`${foreign} | ${fallback} | ${setting.description} |\n`
}

/** The page's text as it must be. */
export function configurationPage(): string {
  const rows = (Object.keys(settings) as SettingKey[]).map((key) => row(key, settings[key]))
  const example = `
A file for \`--config\`; keys are the flags without dashes:

    name: attic
    api: 0.0.0.0:11434
    p2p: /ip4/0.0.0.0/tcp/11435
    insecure-open: true
    join:
      - /ip4/192.168.1.20/tcp/11435
    slots: 8
    keep-alive: 30m
`
  return head + rows.join('') + example
}

if (process.argv[1] !== undefined && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  writeFileSync(page, configurationPage())
}
