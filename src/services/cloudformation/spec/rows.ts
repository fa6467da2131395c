/**
 * The form of `types.json`: what AWS's resource specification says of every resource type, one type on a line, so that
 * a line can be read alone and a change of AWS's shows as the lines of the types it touches.
 */

/**
 * A type of a value: `s` string, `n` number, `i` integer, `b` boolean, `j` JSON of any form, `d` date and time,
 * `t` a tag, `@Name` a structure of the same resource type; `[]x` a list and `{}x` a map of them. An enumeration is
 * `["=", ...values]`, a union `["|", ...types]`, a list or map of either `["[]", type]` and `["{}", type]`.
 */
export type TypeRow =
  | string
  | readonly ["=", ...(string | number)[]]
  | readonly ["|", ...TypeRow[]]
  | readonly ["[]" | "{}", TypeRow];

/** By name; `!` behind it is required, `*` replaces the resource when it changes, `?` perhaps does. */
export type PropertyRows = Readonly<Record<string, TypeRow>>;

export interface ResourceTypeRow {
  properties: PropertyRows;
  /** What `Fn::GetAtt` gives, nested ones with dots. */
  attributes?: Readonly<Record<string, TypeRow>>;
  /** `primaryIdentifier`: the properties that name one resource of the type. */
  identifier?: readonly string[];
  /** Structures by name. */
  structures?: Readonly<Record<string, PropertyRows>>;
}

export type ResourceTypeRows = Readonly<Record<string, ResourceTypeRow>>;
