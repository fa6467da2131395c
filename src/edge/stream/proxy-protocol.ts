/** PROXY protocol v2 (the HAProxy specification, section 2.2), as network load balancers write it: with its CRC-32C. */
import { isIPv4, SocketAddress } from "node:net";
import type { Peer } from "../../base/http.ts";

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** Version 2, on behalf of somebody. */
const versionAndCommand = 0x21;
const tcpOver4 = 0x11;
const tcpOver6 = 0x21;
const typeCrc32c = 0x03;
const crcBytes = 4;

/** What an endpoint is told of a connection, before its first byte. */
export function proxyHeader(client: Peer, local: Peer): Buffer {
  const four = isIPv4(client.address) && isIPv4(local.address);
  const addresses = Buffer.concat([addressBytes(client.address, four), addressBytes(local.address, four)]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(client.port, 0);
  ports.writeUInt16BE(local.port, 2);
  const tlv = Buffer.from([typeCrc32c, 0, crcBytes, 0, 0, 0, 0]);
  const head = Buffer.from([versionAndCommand, four ? tcpOver4 : tcpOver6, 0, 0]);
  head.writeUInt16BE(addresses.length + ports.length + tlv.length, 2);
  const header = Buffer.concat([signature, head, addresses, ports, tlv]);
  // Over the whole header, with the checksum's own bytes 0.
  header.writeUInt32BE(crc32c(header), header.length - crcBytes);
  return header;
}

/** Four bytes, or sixteen; an IPv4 address among IPv6 ones is a mapped one. */
function addressBytes(address: string, four: boolean): Buffer {
  if (isIPv4(address)) {
    const bytes = Buffer.from(address.split(".").map(Number));
    return four ? bytes : Buffer.concat([Buffer.alloc(10), Buffer.from([0xff, 0xff]), bytes]);
  }
  const [head = "", tail = ""] = new SocketAddress({ address, family: "ipv6" }).address.split("::");
  const groupsOf = (text: string) => (text === "" ? [] : text.split(":"));
  const zeros = Array<string>(Math.max(0, 8 - groupsOf(head).length - groupsOf(tail).length)).fill("0");
  const bytes = Buffer.alloc(16);
  for (const [i, group] of [...groupsOf(head), ...zeros, ...groupsOf(tail)].slice(0, 8).entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2);
  }
  return bytes;
}

/** Castagnoli's polynomial, reversed; a header is 59 bytes at most, so no table. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
