/** Addresses as the house writes them: an IPv4 address mapped into IPv6 is an IPv4 address, and a zone is nobody's business. */
import type { Socket } from "node:net";
import type { Peer } from "../base/http.ts";

/** `::ffff:127.0.0.1` becomes `127.0.0.1`, `fe80::1%eth0` becomes `fe80::1`. */
export function plainAddress(address: string): string {
  const mapped = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
  const zone = mapped.indexOf("%");
  return zone < 0 ? mapped : mapped.slice(0, zone);
}

/** Who is at the other end; of a socket already gone, nobody (`0.0.0.0`, port 0). */
export function peerOf(socket: Socket): Peer {
  return { address: plainAddress(socket.remoteAddress ?? "0.0.0.0"), port: socket.remotePort ?? 0 };
}

/** `192.0.2.7:80`, `[2001:db8::1]:80`. */
export function placeText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
