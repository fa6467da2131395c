/** `!Sub` -> `Fn::Sub`; two have no prefix. Source: user guide, "Intrinsic function reference". */
export const longForms: ReadonlyMap<string, string> = new Map([
  ["!Ref", "Ref"],
  ["!Condition", "Condition"],
  ...["And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue", "Join", "Length"].map(
    (name): [string, string] => [`!${name}`, `Fn::${name}`],
  ),
  ...["Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"].map((name): [string, string] => [
    `!${name}`,
    `Fn::${name}`,
  ]),
]);
