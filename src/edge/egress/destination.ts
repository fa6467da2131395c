/** Where a request wants to go: `Host: example.com.ccnproxy-https` is `https://example.com`. */

export interface Destination {
  scheme: "http" | "https";
  /** A name, or an IPv4 address: one of IPv6 with a suffix is no host (RFC 3986 section 3.2.2). */
  hostname: string;
  port: number;
  /** `https://example.com`, with a port where it is not the scheme's. */
  origin: string;
  /** What the destination is addressed as. */
  host: string;
}

/** chocon's: the suffix says the scheme. */
const hostPattern = /^(?<hostname>[a-z0-9._-]+)\.ccnproxy(?:-(?<secure>https|secure|ssl))?(?::(?<port>\d{1,5}))?$/;
/** A DNS name (RFC 1035 section 2.3.4). */
const hostnameMax = 253;

/** Undefined where the host names no destination. A port is the destination's, but for the listener's own. */
export function destinationOf(host: string, listenerPort: number): Destination | undefined {
  const groups = hostPattern.exec(host.toLowerCase())?.groups;
  const hostname = groups?.["hostname"] ?? "";
  if (groups === undefined || hostname.length > hostnameMax || hostname.startsWith(".") || hostname.includes("..")) {
    return undefined;
  }
  const scheme = groups["secure"] === undefined ? "http" : "https";
  const usual = scheme === "https" ? 443 : 80;
  const given = Number(groups["port"] ?? 0);
  const port = given === 0 || given === listenerPort ? usual : given;
  if (port > 65_535) return undefined;
  const authority = port === usual ? hostname : `${hostname}:${port}`;
  return { scheme, hostname, port, origin: `${scheme}://${authority}`, host: authority };
}
