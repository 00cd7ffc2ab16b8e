/** What registries, nodes and Ollama agree on about manifests. */

/** Largest manifest in bytes: Ollama's own limit. */
export const maxManifestBytes = 4 * 1024 * 1024

/** The media type of those that Ollama and this project write. */
export const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'
