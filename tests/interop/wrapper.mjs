// wrapper.mjs SERVER ARGUMENT ..: runs the server as npm wrappers of native programs do. Node makes the pipes that it shares with
// the server non-blocking.
import { spawn } from 'node:child_process'

const [program, ...args] = process.argv.slice(2)
const server = spawn(program, args, { stdio: 'inherit' })
process.stdin.pause()
process.stdout.on('error', () => {})
server.on('exit', code => process.exit(code ?? 1))
