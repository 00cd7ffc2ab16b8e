/** Programs that a host may have, or not: no package brings them. */
import { onPath } from '../support/on-path.ts'

/** llama.cpp's server, where this host has one. */
export const llamaServer = process.env.OMX_LLAMA_SERVER ?? onPath('llama-server')
