/** Where the way out may go: by the names that requests give, and by the addresses that those turn out to have. */
import { BlockList, isIP, isIPv6 } from "node:net";
import type { EgressSettings } from "./settings.ts";

export interface Address {
  address: string;
  family: 4 | 6;
}

/** Nobody goes there; says why. */
export class Forbidden extends Error {
  override readonly name = "Forbidden";
}

export interface Rules {
  /** Those of the addresses of `name` that may be gone to. Throws {@link Forbidden} where none may. */
  permitted(name: string, addresses: readonly Address[]): Address[];
  /** Throws {@link Forbidden} for a name that no address can help. */
  checkName(name: string): void;
}

/** Entries of one list. */
const entriesMax = 1_000;

/** A list of names and blocks, compiled. */
interface List {
  empty: boolean;
  hasBlocks: boolean;
  names(name: string): boolean;
  blocks(address: Address): boolean;
}

/** The machine's metadata, of which a caller could learn its keys, and whatever else is only on its own wire. */
function linkLocal(): BlockList {
  const list = new BlockList();
  list.addSubnet("169.254.0.0", 16, "ipv4");
  list.addSubnet("fe80::", 10, "ipv6");
  // AWS's instance metadata, and the credentials of its containers.
  list.addAddress("fd00:ec2::254", "ipv6");
  list.addAddress("fd00:ec2::23", "ipv6");
  return list;
}

/** Throws a RangeError for an entry that is neither a host name nor a CIDR block. */
export function compileRules({
  allowLinkLocal = false,
  allow = [],
  refuse = [],
}: Pick<EgressSettings, "allowLinkLocal" | "allow" | "refuse"> = {}): Rules {
  const metadata = linkLocal();
  const [allowed, refused] = [compileList(allow), compileList(refuse)];
  const isMetadata = ({ address, family }: Address) => metadata.check(address, family === 6 ? "ipv6" : "ipv4");
  const mayGo = (named: boolean, address: Address) => {
    if (refused.blocks(address)) return false;
    const inBlock = allowed.blocks(address);
    if (isMetadata(address) && !allowLinkLocal && !inBlock) return false;
    return named || inBlock;
  };
  return {
    checkName(name) {
      if (refused.names(name)) throw new Forbidden(`${name} is on the list of what is refused`);
      if (allowed.empty || allowed.names(name) || allowed.hasBlocks) return;
      throw new Forbidden(`${name} is not on the list of what is allowed`);
    },
    permitted(name, addresses) {
      const named = allowed.empty || allowed.names(name);
      // Where one address of a name is forbidden the others are as doubtful, but they are what the name is for.
      const left = addresses.filter((address) => mayGo(named, address));
      if (left.length > 0 || addresses.length === 0) return left;
      throw new Forbidden(`nobody may go to ${addresses.map(({ address }) => address).join(", ")}`);
    },
  };
}

function compileList(entries: readonly string[]): List {
  if (entries.length > entriesMax) throw new RangeError(`more than ${entriesMax} entries`);
  const blocks = new BlockList();
  const exact = new Set<string>();
  const below: string[] = [];
  for (const entry of entries) {
    const text = entry.toLowerCase();
    const slash = text.lastIndexOf("/");
    const network = slash < 0 ? text : text.slice(0, slash);
    if (isIP(network) !== 0) addBlock(blocks, network, slash < 0 ? undefined : Number(text.slice(slash + 1)), entry);
    else if (!isHostPattern(text)) throw new RangeError(`${entry} is neither a host name nor a CIDR block`);
    else if (text.startsWith("*.")) below.push(text.slice(1));
    else exact.add(text);
  }
  return {
    empty: entries.length === 0,
    hasBlocks: blocks.rules.length > 0,
    names: (name) => exact.has(name) || below.some((end) => name.endsWith(end)),
    blocks: ({ address, family }) => blocks.check(address, family === 6 ? "ipv6" : "ipv4"),
  };
}

function addBlock(blocks: BlockList, network: string, bits: number | undefined, entry: string): void {
  const family = isIPv6(network) ? "ipv6" : "ipv4";
  try {
    blocks.addSubnet(network, bits ?? (family === "ipv6" ? 128 : 32), family);
  } catch (cause) {
    throw new RangeError(`${entry} is no CIDR block`, { cause });
  }
}

/** A host name in lower case, or one with `*.` in front. */
export function isHostPattern(text: string): boolean {
  return /^(?:\*\.)?[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?$/.test(text) && !text.includes("..");
}
