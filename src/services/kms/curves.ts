/**
 * ECDSA over a digest that the caller made. node:crypto signs messages only and hashes them itself, so the two scalars
 * are computed here; every multiplication of a point is OpenSSL's, reached through ECDH. Source: FIPS 186-5, section 6.
 */
import { createECDH, ECDH, randomBytes, type KeyObject } from "node:crypto";
import type { CurveName } from "./specs.ts";

interface Curve {
  name: CurveName;
  /** Bytes of a coordinate and of a scalar. */
  bytes: number;
  /** The field, the coefficient a, and the order of the base point. Source: SEC 2, version 2. */
  p: bigint;
  a: bigint;
  n: bigint;
}

const p256 = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const p384 = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
const p521 = 2n ** 521n - 1n;

const curves: Readonly<Record<CurveName, Curve>> = {
  prime256v1: {
    name: "prime256v1",
    bytes: 32,
    p: p256,
    a: p256 - 3n,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  secp384r1: {
    name: "secp384r1",
    bytes: 48,
    p: p384,
    a: p384 - 3n,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  secp521r1: {
    name: "secp521r1",
    bytes: 66,
    p: p521,
    a: p521 - 3n,
    n: 2n ** 521n - 2n ** 260n + 0xa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
  secp256k1: {
    name: "secp256k1",
    bytes: 32,
    p: 2n ** 256n - 2n ** 32n - 977n,
    a: 0n,
    n: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
  },
};

interface Point {
  x: bigint;
  y: bigint;
}

const fromBytes = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
const toBytes = (value: bigint, length: number) => Buffer.from(value.toString(16).padStart(length * 2, "0"), "hex");
const mod = (value: bigint, modulus: bigint) => ((value % modulus) + modulus) % modulus;

function inverse(value: bigint, modulus: bigint): bigint {
  let [r0, r1, t0, t1] = [modulus, mod(value, modulus), 0n, 1n];
  while (r1 !== 0n) {
    const quotient = r0 / r1;
    [r0, r1] = [r1, r0 - quotient * r1];
    [t0, t1] = [t1, t0 - quotient * t1];
  }
  return mod(t0, modulus);
}

function pointOf(bytes: Uint8Array, curve: Curve): Point {
  return { x: fromBytes(bytes.subarray(1, 1 + curve.bytes)), y: fromBytes(bytes.subarray(1 + curve.bytes)) };
}

/** `scalar` times the base point; the scalar is 1 or more and below the order. */
function timesBase(scalar: bigint, curve: Curve): Point {
  const ecdh = createECDH(curve.name);
  ecdh.setPrivateKey(toBytes(scalar, curve.bytes));
  return pointOf(ecdh.getPublicKey(), curve);
}

/** The x of `scalar` times a point: what ECDH is. */
function timesX(scalar: bigint, { x, y }: Point, curve: Curve): bigint {
  const ecdh = createECDH(curve.name);
  ecdh.setPrivateKey(toBytes(scalar, curve.bytes));
  const point = Buffer.concat([Buffer.from([4]), toBytes(x, curve.bytes), toBytes(y, curve.bytes)]);
  return fromBytes(ecdh.computeSecret(point));
}

/** The sum, or undefined for the point at infinity. */
function add(left: Point, right: Point, { p, a }: Curve): Point | undefined {
  const isSame = left.x === right.x;
  if (isSame && mod(left.y + right.y, p) === 0n) return undefined;
  const slope = isSame
    ? (3n * left.x * left.x + a) * inverse(2n * left.y, p)
    : (right.y - left.y) * inverse(right.x - left.x, p);
  const x = mod(slope * slope - left.x - right.x, p);
  return { x, y: mod(slope * (left.x - x) - left.y, p) };
}

/** `scalar` times a point. ECDH tells x alone; y is the root for which adding the point once more gives what ECDH says. */
function times(scalar: bigint, point: Point, curve: Curve): Point {
  const negative = { x: point.x, y: curve.p - point.y };
  if (scalar === 1n) return point;
  if (scalar === curve.n - 1n) return negative;
  const x = timesX(scalar, point, curve);
  const compressed = Buffer.concat([Buffer.from([2]), toBytes(x, curve.bytes)]);
  const whole = ECDH.convertKey(compressed, curve.name, undefined, undefined, "uncompressed");
  const root = pointOf(Buffer.from(whole as Uint8Array), curve);
  return add(root, point, curve)?.x === timesX(scalar + 1n, point, curve) ? root : { x, y: curve.p - root.y };
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const even = hex.length % 2 === 1 ? `0${hex}` : hex;
  const bytes = Buffer.from(/^[89a-f]/.test(even) ? `00${even}` : even, "hex");
  return Buffer.concat([Buffer.from([2, bytes.byteLength]), bytes]);
}

function derSignature(r: bigint, s: bigint): Buffer {
  const body = Buffer.concat([derInteger(r), derInteger(s)]);
  const length = body.byteLength < 128 ? [body.byteLength] : [0x81, body.byteLength];
  return Buffer.concat([Buffer.from([0x30, ...length]), body]);
}

/** The two integers of a DER signature; undefined unless it is written exactly as DER wants. */
function parseSignature(bytes: Uint8Array): { r: bigint; s: bigint } | undefined {
  const der = Buffer.from(bytes);
  let at = der[1] === 0x81 ? 3 : 2;
  const integer = () => {
    const length = der[at + 1] ?? 0;
    const value = fromBytes(der.subarray(at + 2, at + 2 + length));
    at += 2 + length;
    return value;
  };
  const [r, s] = [integer(), integer()];
  // Written back and compared: nothing that is not canonical gets through, whatever the bytes were.
  return r > 0n && s > 0n && derSignature(r, s).equals(der) ? { r, s } : undefined;
}

function jwkNumber(text: string | undefined): bigint {
  return fromBytes(Buffer.from(text ?? "", "base64url"));
}

/** A scalar of 1 to n-1, evenly distributed. */
function randomScalar({ n, bytes }: Curve): bigint {
  const bits = BigInt(n.toString(2).length);
  for (;;) {
    const candidate = fromBytes(randomBytes(bytes)) & ((1n << bits) - 1n);
    if (candidate > 0n && candidate < n) return candidate;
  }
}

/** Signs a digest no longer than the order of the curve; DER. */
export function ecdsaSign(privateKey: KeyObject, curveName: CurveName, digest: Uint8Array): Uint8Array {
  const curve = curves[curveName];
  const { n } = curve;
  const d = jwkNumber(privateKey.export({ format: "jwk" }).d);
  for (;;) {
    const k = randomScalar(curve);
    const r = mod(timesBase(k, curve).x, n);
    // Blinded, so that the time these take, which is not constant, says nothing of key or nonce.
    const blind = randomScalar(curve);
    const s = mod(inverse(k * blind, n) * (blind * fromBytes(digest) + mod(blind * d, n) * r), n);
    if (r !== 0n && s !== 0n) return derSignature(r, s);
  }
}

export function ecdsaVerify(
  publicKey: KeyObject,
  curveName: CurveName,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const curve = curves[curveName];
  const { n } = curve;
  const given = parseSignature(signature);
  if (given === undefined || given.r >= n || given.s >= n) return false;
  const jwk = publicKey.export({ format: "jwk" });
  const w = inverse(given.s, n);
  const u1 = mod(fromBytes(digest) * w, n);
  const right = times(mod(given.r * w, n), { x: jwkNumber(jwk.x), y: jwkNumber(jwk.y) }, curve);
  const sum = u1 === 0n ? right : add(timesBase(u1, curve), right, curve);
  return sum !== undefined && mod(sum.x, n) === given.r;
}
