/** Who owns what, as S3 tells it. */

/** A canonical user id: 64 hex digits, here made of the account. */
export function ownerId(account: string): string {
  return account.padStart(64, "0");
}
