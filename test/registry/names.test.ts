import { describe, expect, it } from 'vitest'
import { isPrivateAddress } from '../../src/registry/private-address.ts'
import { parseRemoteName } from '../../src/registry/remote-name.ts'

describe('a name of a model at a registry', () => {
  it.each([
    ['x', false, 'https://registry.ollama.ai', 'library/x', 'latest'],
    ['user/x:8b', false, 'https://registry.ollama.ai', 'user/x', '8b'],
    ['hf.co/user/repo:Q4_K_M', false, 'https://hf.co', 'user/repo', 'Q4_K_M'],
    ['huggingface.co/user/repo-GGUF', false, 'https://huggingface.co', 'user/repo-GGUF', 'latest'],
    ['https://registry.example/a/b', false, 'https://registry.example', 'a/b', 'latest'],
    ['registry.example:5000/a/b:c', false, 'https://registry.example:5000', 'a/b', 'c'],
    ['registry.example:443/a/b', false, 'https://registry.example', 'a/b', 'latest'],
    ['http://127.0.0.1:5000/a/b', true, 'http://127.0.0.1:5000', 'a/b', 'latest'],
    ['127.0.0.1:5000/a/b', true, 'http://127.0.0.1:5000', 'a/b', 'latest'],
    ['https://registry.example/a/b', true, 'http://registry.example', 'a/b', 'latest'],
  ])('%s (insecure: %s) is where it says', (text, insecure, origin, repository, tag) => {
    expect(parseRemoteName(text, insecure)).toMatchObject({ origin, repository, tag })
  })

  it.each([
    ['http://registry.example/a/b', false, 'insecure protocol http'],
    ['HTTP://registry.example/a/b', false, 'insecure protocol http'],
    ['ftp://registry.example/a/b', true, 'invalid model name'],
    ['file:///etc/passwd', true, 'invalid model name'],
    ['registry.example/../b', false, 'invalid model name'],
    ['../../x', false, 'invalid model name'],
    ['registry.example/a/b/c', false, 'invalid model name'],
    ['user@registry.example/a/b', false, 'invalid model name'],
    ['registry.example/a/b?c', false, 'invalid model name'],
    ['registry.example/a/b%2fc', false, 'invalid model name'],
    ['a:b:c/a/b', false, 'names no host'],
    ['registry.example:99999/a/b', false, 'names no host'],
    ['', false, 'invalid model name'],
  ])('%s (insecure: %s) is refused', (text, insecure, words) => {
    expect(() => parseRemoteName(text, insecure)).toThrow(words)
  })
})

describe('an address', () => {
  it.each([
    ...['127.0.0.1', '127.255.255.255', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '100.127.255.255', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
    ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fc00::1', 'fdff::1', 'ff02::1'],
    ...['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:a9fe:a9fe', '::FFFF:192.168.0.1', '::127.0.0.1'],
    ...['64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b:1::1', '2002:7f00:1::', 'fec0::1'],
    ...['localhost', 'registry.example', '', '1.2.3', '2130706433', '127.1', '0x7f.1'],
  ])('%s is of this machine, its network or nobody', (address) => {
    expect(isPrivateAddress(address)).toBe(true)
  })

  it.each([
    ...['1.1.1.1', '8.8.8.8', '100.63.255.255', '100.128.0.0', '172.15.0.1', '172.32.0.1', '192.167.0.1', '223.0.0.1'],
    ...['2606:4700::1111', '2001:4860:4860::8888', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:0808:0808::'],
  ])('%s is public', (address) => {
    expect(isPrivateAddress(address)).toBe(false)
  })
})
