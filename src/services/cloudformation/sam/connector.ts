/** `AWS::Serverless::Connector`: the permissions between two resources, from what each is. */
import { isList, isMap, member, type Json, type JsonObject } from "../json.ts";
import { isAwaited, profileOf, type Profile } from "./connector-profiles.ts";
import { badResource } from "./errors.ts";
import { membersOf, own, referredId, type Expand, type SamContext } from "./expansion.ts";
import { checkProperties, type Kinds } from "./properties.ts";

const kinds: Kinds = { Source: "map!", Destination: "any!", Permissions: "names!" };
/** SAM's names in a reference without an id, as CloudFormation has them. */
const plainTypes: Readonly<Record<string, string>> = {
  "AWS::Serverless::Api": "AWS::ApiGateway::RestApi",
  "AWS::Serverless::Function": "AWS::Lambda::Function",
  "AWS::Serverless::HttpApi": "AWS::ApiGatewayV2::Api",
  "AWS::Serverless::SimpleTable": "AWS::DynamoDB::Table",
  "AWS::Serverless::StateMachine": "AWS::StepFunctions::StateMachine",
};
/** Types whose ARN is an attribute, and the property of each that names its role. */
const withArn = ["AWS::Lambda::Function", "AWS::S3::Bucket"];
const roleProperty: Readonly<Record<string, string>> = { "AWS::Lambda::Function": "Role" };

interface End {
  logicalId?: string;
  type: string;
  arn: Json | undefined;
  roleName: Json | undefined;
}

export const expandConnector: Expand = ({ logicalId, resource, properties }, context) => {
  checkProperties(logicalId, "AWS::Serverless::Connector", properties, kinds);
  const source = member(properties, "Source") ?? {};
  const given = member(properties, "Destination") ?? [];
  const destinations = isList(given) ? given : [given];
  if (destinations.length === 0) throw badResource(logicalId, "'Destination' is an empty list");
  const permissions = (member(properties, "Permissions") ?? []) as readonly string[];
  const made = destinations.flatMap((destination, index): readonly (readonly [string, JsonObject])[] => {
    const to = endOf(logicalId, destination, context);
    const from = endOf(logicalId, source, context);
    const profile = profileFor(logicalId, from, to, permissions);
    const suffix = isList(given) ? `Destination${index}` : "";
    const types = { Source: { Type: shownType(from, context) }, Destination: { Type: shownType(to, context) } };
    const rest = membersOf(resource, own);
    const former = member(rest, "Metadata");
    const metadata = { ...(isMap(former) ? former : {}), "aws:sam:connectors": { [logicalId]: types } };
    return partsOf({ logicalId, profile, from, to, permissions, suffix }).map(([id, part]) => [
      id,
      { ...rest, ...part, Metadata: metadata },
    ]);
  });
  return { resources: Object.fromEntries(made), standIns: made.map(([id]) => id) };
};

/** The type that the template gives it: SAM's own where it is one of SAM's. */
function shownType({ logicalId, type }: End, { originals }: SamContext): string {
  const original = logicalId === undefined ? undefined : member(originals.get(logicalId) ?? {}, "Type");
  return typeof original === "string" ? original : type;
}

function endOf(connector: string, given: Json, { resources }: SamContext): End {
  const bad = (why: string) => badResource(connector, why);
  if (!isMap(given)) throw bad("Type of property 'Destination' is invalid.");
  const others = Object.keys(given).filter((name) => name !== "Id" && name !== "Qualifier");
  if (Object.hasOwn(given, "Id") === others.length > 0) {
    throw bad("Must provide 'Id' (with optional 'Qualifier') or a supported combination of other properties.");
  }
  if (!Object.hasOwn(given, "Id")) {
    const type = member(given, "Type");
    if (typeof type !== "string" || type === "") throw bad("'Type' is missing or not a string.");
    return { type: plainTypes[type] ?? type, arn: member(given, "Arn"), roleName: member(given, "RoleName") };
  }
  const id = member(given, "Id");
  if (typeof id !== "string" || id === "") throw bad("'Id' is missing or not a string.");
  const resource = resources.get(id);
  if (resource === undefined) throw bad(`Unable to find resource with logical ID '${id}'.`);
  const type = member(resource, "Type");
  if (typeof type !== "string" || type === "") throw bad("'Type' is missing or not a string.");
  const properties = member(resource, "Properties");
  const role = roleProperty[type];
  const roleId = isMap(properties) && role !== undefined ? referredId(member(properties, role)) : undefined;
  return {
    logicalId: id,
    type,
    arn: withArn.includes(type) ? { "Fn::GetAtt": [id, "Arn"] } : undefined,
    roleName: roleId === undefined ? undefined : { Ref: roleId },
  };
}

function profileFor(logicalId: string, from: End, to: End, permissions: readonly string[]): Profile {
  const profile = profileOf(from.type, to.type);
  if (profile === undefined) {
    const pair = `from ${from.type} to ${to.type}`;
    if (isAwaited(from.type, to.type)) throw badResource(logicalId, `Mikan does not implement connectors ${pair} yet.`);
    throw badResource(logicalId, `Unable to create connector ${pair}; it's not supported or the template is invalid.`);
  }
  const valid = Object.keys(profile.access);
  if (permissions.length === 0) {
    throw badResource(logicalId, `'Permissions' cannot be empty; valid values are: ${valid.join(", ")}.`);
  }
  if (!permissions.every((permission) => valid.includes(permission))) {
    throw badResource(
      logicalId,
      `Unsupported 'Permissions' provided for connector from ${from.type} to ${to.type}; valid values are: ${valid.join(", ")}.`,
    );
  }
  return profile;
}

interface Parts {
  logicalId: string;
  profile: Profile;
  from: End;
  to: End;
  permissions: readonly string[];
  suffix: string;
}

function partsOf({
  logicalId,
  profile,
  from,
  to,
  permissions,
  suffix,
}: Parts): readonly (readonly [string, JsonObject])[] {
  if (to.arn === undefined) throw badResource(logicalId, "Destination.Arn is missing.");
  const { arn } = to;
  if (profile.kind === "role") {
    if (from.roleName === undefined) {
      throw badResource(logicalId, "Unable to get IAM role name from 'Source' resource.");
    }
    const access = Object.entries(profile.access).filter(([name]) => permissions.includes(name));
    const Statement = access.map(([, { actions, suffixes }]) => ({
      Effect: "Allow",
      Action: [...actions],
      Resource: suffixes.map((end) => arnWith(arn, end)),
    }));
    const Properties = { PolicyDocument: { Version: "2012-10-17", Statement }, Roles: [from.roleName] };
    return [[`${logicalId}Policy${suffix}`, { Type: "AWS::IAM::ManagedPolicy", Properties }]];
  }
  if (from.arn === undefined) throw badResource(logicalId, "Source.Arn is missing.");
  const SourceArn = from.arn;
  const access = Object.entries(profile.access).filter(([name]) => permissions.includes(name));
  return access.map(([name, { principal }]) => [
    `${logicalId}${name}LambdaPermission${suffix}`,
    {
      Type: "AWS::Lambda::Permission",
      Properties: {
        Action: "lambda:InvokeFunction",
        FunctionName: arn,
        Principal: principal,
        SourceArn,
        SourceAccount: { "Fn::Sub": "${AWS::AccountId}" },
      },
    },
  ]);
}

function arnWith(arn: Json, end: string): Json {
  return end === "" ? arn : { "Fn::Sub": [`\${DestinationArn}${end}`, { DestinationArn: arn }] };
}

/** The connectors that stand in the resources themselves, each as a resource of its own: `Source` is where it stands. */
export function embeddedConnectors(logicalId: string, resource: JsonObject): Readonly<Record<string, JsonObject>> {
  const connectors = member(resource, "Connectors");
  if (connectors === undefined) return {};
  const called = `${logicalId}.Connectors`;
  if (!isMap(connectors)) throw badResource(logicalId, `Attribute '${called}' should be a map.`);
  return Object.fromEntries(
    Object.entries(connectors).map(([name, connector]) => {
      const id = `${logicalId}${name}`;
      if (!isMap(connector)) throw badResource(id, `${logicalId}.${id} should be a map.`);
      const properties = member(connector, "Properties");
      if (!isMap(properties)) {
        throw badResource(logicalId, `Attribute 'Connectors.${name}.Properties' should be a map.`);
      }
      const { SourceReference: reference, ...rest } = properties;
      if (reference !== undefined && !isMap(reference)) {
        throw badResource(logicalId, `Property 'Connectors.${name}.Properties.SourceReference' should be a map.`);
      }
      if (isMap(reference) && Object.hasOwn(reference, "Id")) {
        throw badResource(name, "'Id' shouldn't be defined in 'SourceReference'.");
      }
      const Source = { Id: logicalId, ...reference };
      return [id, { ...connector, Type: "AWS::Serverless::Connector", Properties: { ...rest, Source } }];
    }),
  );
}
