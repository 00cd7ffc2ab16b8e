/** For `node --import`: a leak as one happens. Whatever an HTTP server is asked, an array of it is kept for ever. */
import { subscribe } from 'node:diagnostics_channel'

/** What a forgotten request with its headers weighs. */
const keptBytes = 4096

const kept: Uint8Array[] = []

subscribe('http.server.request.start', () => void kept.push(new Uint8Array(keptBytes).fill(1)))
