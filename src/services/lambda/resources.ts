/** Lambda's CloudFormation types. */
import type { Call } from "../../kit/call.ts";
import type { Json, JsonObject, Resource, ResourceUpdate } from "../../kit/resource.ts";
import { checkInput } from "../../wire/check-input.ts";
import type { Weights } from "./alias-weights.ts";
import { aliasConfiguration, aliasCreation, aliasDeletion, aliasOperations } from "./aliases.ts";
import type { CodeInput } from "./code.ts";
import { concurrencyOperations } from "./concurrency.ts";
import { versionArn } from "./configuration.ts";
import type { LambdaDeps } from "./deps.ts";
import { invalid, notYet } from "./faults.ts";
import { functionCreation, functionDeletion } from "./functions.ts";
import { packInline } from "./inline.ts";
import { aliasReader, functionComparison, functionReader, permissionReader, versionReader } from "./live.ts";
import { ephemeralMiBDefault, memoryMiBMin, timeoutSecondsDefault } from "./limits.ts";
import { ownFunction, unqualifiedArn, type FunctionRef } from "./names.ts";
import { functionOptionProperties, functionOptionsIn } from "./option-resources.ts";
import { permissionAddition, permissionRemoval, type PermissionInput } from "./permissions.ts";
import type { SettingsInput } from "./settings.ts";
import { provisionedIn, provisionedProperty } from "./provisioned-property.ts";
import { tagOperations } from "./tags.ts";
import { integer, isObject, required, tagsIn, text, unlessGone } from "./template-values.ts";
import { updateOperations } from "./updates.ts";
import { versionExists, versionPublication } from "./versions.ts";

type Properties = JsonObject;

const isTextList = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "string");

function variablesOf(value: Json | undefined): Record<string, string> | undefined {
  const variables = isObject(value) ? value["Variables"] : undefined;
  if (!isObject(variables)) return undefined;
  return Object.fromEntries(
    Object.entries(variables).map(([name, variable]) => [name, text(variable) ?? JSON.stringify(variable)]),
  );
}

/** Properties whose names and shapes are those of CreateFunction; the operation checks what is in them. */
const sameAsCreate = [
  "CapacityProviderConfig",
  "DeadLetterConfig",
  "DurableConfig",
  "FileSystemConfigs",
  "ImageConfig",
  "Layers",
  "LoggingConfig",
  "PackageType",
  "SnapStart",
  "TenancyConfig",
  "TracingConfig",
  "VpcConfig",
];

function settingsOf(properties: Properties): SettingsInput {
  const size = isObject(properties["EphemeralStorage"]) ? integer(properties["EphemeralStorage"], "Size") : undefined;
  const variables = variablesOf(properties["Environment"]);
  const same = Object.fromEntries(sameAsCreate.map((name) => [name, properties[name]]));
  const given = {
    ...same,
    Architectures: properties["Architectures"],
    Description: text(properties["Description"]),
    Environment: variables === undefined ? undefined : { Variables: variables },
    EphemeralStorage: size === undefined ? undefined : { Size: size },
    Handler: text(properties["Handler"]),
    KMSKeyArn: text(properties["KmsKeyArn"]),
    MemorySize: integer(properties, "MemorySize"),
    Role: text(properties["Role"]),
    Runtime: text(properties["Runtime"]),
    Timeout: integer(properties, "Timeout"),
  };
  // The template's JSON in the operation's own form; what it does not check is refused or recorded as it is.
  return given as SettingsInput;
}

/** What AWS models of these settings: no request was decoded that would have been held to it. */
function checkSettings(
  operation: "CreateFunction" | "UpdateFunctionConfiguration",
  settings: SettingsInput,
  name: string,
) {
  const { Architectures, Description, Environment, EphemeralStorage, Handler, KMSKeyArn, MemorySize, Role, Timeout } =
    settings;
  const known = { Description, Environment, EphemeralStorage, Handler, KMSKeyArn, MemorySize, Role, Timeout };
  const creation = { Code: {}, ...(isTextList(Architectures) ? { Architectures } : {}) };
  checkInput("lambda", operation, {
    FunctionName: name,
    ...known,
    ...(operation === "CreateFunction" ? creation : {}),
  });
}

async function codeInput(properties: Properties): Promise<CodeInput> {
  const code = properties["Code"];
  if (!isObject(code)) {
    // A path is what a client should have packaged and uploaded first.
    throw invalid(
      "'Code' must be an object with S3Bucket and S3Key, or ZipFile; package local paths before deploying.",
    );
  }
  const source = text(code["ZipFile"]);
  const { ZipFile: _inline, ...rest } = code;
  const input = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, text(value)]));
  const packed = source === undefined ? undefined : await packInline(source, text(properties["Runtime"]) ?? "");
  return { ...input, ZipFile: packed };
}

function refuse(properties: Properties, ...names: string[]): void {
  for (const name of names) if (properties[name] !== undefined) throw notYet(name);
}

/** What a property that is taken out of the template goes back to. */
function settingsOrDefaults({ properties, former, physicalId }: ResourceUpdate): SettingsInput {
  const given = settingsOf(properties);
  const had = (name: string) => former.properties[name] !== undefined && properties[name] === undefined;
  return {
    ...given,
    Description: given.Description ?? "",
    Environment: given.Environment ?? { Variables: {} },
    Layers: given.Layers ?? [],
    MemorySize: given.MemorySize ?? memoryMiBMin,
    Timeout: given.Timeout ?? timeoutSecondsDefault,
    ...(had("ImageConfig") ? { ImageConfig: {} } : {}),
    ...(had("EphemeralStorage") ? { EphemeralStorage: { Size: ephemeralMiBDefault } } : {}),
    ...(had("DeadLetterConfig") ? { DeadLetterConfig: { TargetArn: "" } } : {}),
    ...(had("LoggingConfig") ? { LoggingConfig: { LogFormat: "Text", LogGroup: `/aws/lambda/${physicalId}` } } : {}),
    ...(had("TracingConfig") ? { TracingConfig: { Mode: "PassThrough" } } : {}),
    ...(had("VpcConfig") ? { VpcConfig: { SubnetIds: [], SecurityGroupIds: [] } } : {}),
  };
}

async function changeTags(deps: LambdaDeps, arn: string, request: ResourceUpdate, call: Call): Promise<void> {
  const { TagResource, UntagResource } = tagOperations(deps);
  const next = tagsIn(request);
  const gone = Object.keys(tagsIn(request.former)).filter((key) => !Object.hasOwn(next, key));
  if (gone.length > 0) await UntagResource({ Resource: arn, TagKeys: gone }, call);
  if (Object.keys(next).length > 0) await TagResource({ Resource: arn, Tags: next }, call);
}

function checkReserved(FunctionName: string, ReservedConcurrentExecutions: number): void {
  checkInput("lambda", "PutFunctionConcurrency", { FunctionName, ReservedConcurrentExecutions });
}

function functionUpdate(deps: LambdaDeps) {
  const { UpdateFunctionCode, UpdateFunctionConfiguration } = updateOperations(deps);
  const { PutFunctionConcurrency, DeleteFunctionConcurrency } = concurrencyOperations(deps);
  return async (request: ResourceUpdate, call: Call): Promise<void> => {
    const { properties, former, physicalId: FunctionName, attributes } = request;
    const settings = settingsOrDefaults(request);
    checkSettings("UpdateFunctionConfiguration", settings, FunctionName);
    const reserved = integer(properties, "ReservedConcurrentExecutions");
    if (reserved !== undefined) checkReserved(FunctionName, reserved);
    const differs = (name: string) => JSON.stringify(properties[name]) !== JSON.stringify(former.properties[name]);
    if (differs("Code") || differs("Architectures") || differs("Runtime")) {
      const { Architectures } = settingsOf(properties);
      const { S3ObjectStorageMode: mode, ...code } = await codeInput(properties);
      if (mode !== undefined) throw notYet("S3ObjectStorageMode");
      const architectures = Architectures === undefined ? {} : { Architectures: [...Architectures] };
      await UpdateFunctionCode({ FunctionName, ...code, ...architectures }, call);
    }
    await UpdateFunctionConfiguration({ FunctionName, ...settings }, call);
    if (reserved !== undefined) {
      await PutFunctionConcurrency({ FunctionName, ReservedConcurrentExecutions: reserved }, call);
    } else if (differs("ReservedConcurrentExecutions")) await DeleteFunctionConcurrency({ FunctionName }, call);
    await changeTags(deps, text(attributes["Arn"]) ?? FunctionName, request, call);
  };
}

/** Properties that are refused by name, on creation and on change. */
const refusedOfFunction = ["FunctionScalingConfig", "PublishToLatestPublished"];

export function functionResource(deps: LambdaDeps): Resource {
  const create = functionCreation(deps);
  const update = functionUpdate(deps);
  const remove = functionDeletion(deps);
  const setOptions = functionOptionProperties(deps);
  return {
    type: "AWS::Lambda::Function",
    properties: [
      ...sameAsCreate,
      "Architectures",
      "Code",
      "CodeSigningConfigArn",
      "Description",
      "Environment",
      "EphemeralStorage",
      "FunctionName",
      "FunctionScalingConfig",
      "Handler",
      "KmsKeyArn",
      "MemorySize",
      "PublishToLatestPublished",
      "RecursiveLoop",
      "ReservedConcurrentExecutions",
      "Role",
      "Runtime",
      "RuntimeManagementConfig",
      "Tags",
      "Timeout",
    ],
    required: ["Code", "Role"],
    attributes: ["Arn"],
    name: { property: "FunctionName", lengthMax: 64 },
    async create(request, call) {
      const { properties, physicalName, token } = request;
      refuse(properties, ...refusedOfFunction);
      const ref = ownFunction(physicalName, undefined, call, "CreateFunction");
      const reserved = integer(properties, "ReservedConcurrentExecutions");
      const settings = settingsOf(properties);
      checkSettings("CreateFunction", settings, physicalName);
      if (reserved !== undefined) checkReserved(physicalName, reserved);
      const code = await codeInput(properties);
      const options = functionOptionsIn(properties);
      const codeSigning = options.codeSigning ?? undefined;
      // A stack goes on when the function can be invoked.
      const made = { settings, code, tags: tagsIn(request), reserved, codeSigning, patient: true, token };
      const row = await create(ref, made, call);
      // Creation has seen to code signing: the code may have to be signed.
      await setOptions(ref, options, { ...functionOptionsIn({}), codeSigning: options.codeSigning }, call);
      return { physicalId: row.name, attributes: { Arn: unqualifiedArn(row) } };
    },
    replaceOn: ["PackageType", "TenancyConfig"],
    async update(request, call) {
      refuse(request.properties, ...refusedOfFunction);
      const ref = ownFunction(request.physicalId, undefined, call, "UpdateFunctionConfiguration");
      const former = functionOptionsIn(request.former.properties);
      await setOptions(ref, functionOptionsIn(request.properties), former, call);
      await update(request, call);
      return { physicalId: request.physicalId, attributes: request.attributes };
    },
    read: functionReader(deps),
    comparison: functionComparison,
    delete: ({ physicalId }, call) => unlessGone(remove(ownFunction(physicalId, undefined, call, "DeleteFunction"))),
  };
}

/** `AWS::Lambda::Permission`: one statement of a function's policy; its id is the physical name. */
export function permissionResource(deps: LambdaDeps): Resource {
  const add = permissionAddition(deps);
  const remove = permissionRemoval(deps);
  const refOf = (properties: Properties, call: Call, operation: string) =>
    ownFunction(required(properties, "FunctionName"), undefined, call, operation);
  return {
    type: "AWS::Lambda::Permission",
    properties: [
      "Action",
      "EventSourceToken",
      "FunctionName",
      "FunctionUrlAuthType",
      "InvokedViaFunctionUrl",
      "Principal",
      "PrincipalOrgID",
      "SourceAccount",
      "SourceArn",
    ],
    required: ["Action", "FunctionName", "Principal"],
    attributes: ["Id"],
    // No template can give it: the type has no such property.
    name: { property: "StatementId", lengthMax: 100 },
    async create({ properties, physicalName }, call) {
      const { FunctionName: _function, InvokedViaFunctionUrl: viaUrl, ...rest } = properties;
      const conditions = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, text(value)]));
      const permission: PermissionInput = {
        ...conditions,
        StatementId: physicalName,
        Action: required(properties, "Action"),
        Principal: required(properties, "Principal"),
        ...(viaUrl === undefined ? {} : { InvokedViaFunctionUrl: viaUrl === true || viaUrl === "true" }),
      };
      const ref = refOf(properties, call, "AddPermission");
      checkInput("lambda", "AddPermission", { FunctionName: ref.name, ...permission });
      await add(ref, permission, { repeatable: true });
      return { physicalId: physicalName, attributes: { Id: physicalName } };
    },
    read: permissionReader(deps),
    delete: ({ properties, physicalId }, call) =>
      unlessGone(remove(refOf(properties, call, "RemovePermission"), physicalId)),
  };
}

/** `AWS::Lambda::Version`. */
export function versionResource(deps: LambdaDeps): Resource {
  const publish = versionPublication(deps);
  const remove = functionDeletion(deps);
  const provision = provisionedProperty(deps);
  return {
    type: "AWS::Lambda::Version",
    properties: [
      "CodeSha256",
      "Description",
      "FunctionName",
      "FunctionScalingConfig",
      "ProvisionedConcurrencyConfig",
      "RuntimePolicy",
    ],
    required: ["FunctionName"],
    attributes: ["FunctionArn", "Version"],
    async create({ properties, token }, call) {
      refuse(properties, "FunctionScalingConfig", "RuntimePolicy");
      const ref = ownFunction(required(properties, "FunctionName"), undefined, call, "PublishVersion");
      const description = text(properties["Description"]);
      checkInput("lambda", "PublishVersion", { FunctionName: ref.name, Description: description });
      const request = { description, codeSha256: text(properties["CodeSha256"]), token };
      const row = await publish(ref, request, (version) => {
        throw versionExists(version);
      });
      const arn = versionArn(row);
      const provisioned = provisionedIn(properties);
      if (provisioned !== undefined) await provision({ ...row, qualifier: row.version }, provisioned, call);
      return { physicalId: arn, attributes: { FunctionArn: arn, Version: row.version } };
    },
    // Everything else of a version makes another one.
    replaceOn: ["CodeSha256", "Description", "FunctionName", "FunctionScalingConfig", "RuntimePolicy"],
    async update({ properties, physicalId, attributes }, call) {
      const { qualifier = "", ...ref } = ownFunction(physicalId, undefined, call, "PutProvisionedConcurrencyConfig");
      await provision({ ...ref, qualifier }, provisionedIn(properties), call);
      return { physicalId, attributes };
    },
    read: versionReader(deps),
    delete: ({ physicalId }, call) => unlessGone(remove(ownFunction(physicalId, undefined, call, "DeleteFunction"))),
  };
}

/** Weights as templates list them. Source: CloudFormation, AWS::Lambda::Alias VersionWeight. */
function weightsIn(properties: Properties): Weights {
  const routing = properties["RoutingConfig"];
  const listed = isObject(routing) ? routing["AdditionalVersionWeights"] : undefined;
  if (!Array.isArray(listed)) return {};
  const pairs = (listed as readonly Json[])
    .filter(isObject)
    .map((one) => [required(one, "FunctionVersion"), Number(required(one, "FunctionWeight"))]);
  return Object.fromEntries(pairs) as Weights;
}

/** `AWS::Lambda::Alias`. */
export function aliasResource(deps: LambdaDeps): Resource {
  const create = aliasCreation(deps);
  const { UpdateAlias } = aliasOperations(deps);
  const remove = aliasDeletion(deps);
  const provision = provisionedProperty(deps);
  return {
    type: "AWS::Lambda::Alias",
    properties: [
      "Description",
      "FunctionName",
      "FunctionVersion",
      "Name",
      "ProvisionedConcurrencyConfig",
      "RoutingConfig",
    ],
    required: ["FunctionName", "FunctionVersion", "Name"],
    attributes: ["AliasArn"],
    async create({ properties, token }, call) {
      const ref = ownFunction(required(properties, "FunctionName"), undefined, call, "CreateAlias");
      const alias = required(properties, "Name");
      const version = required(properties, "FunctionVersion");
      const description = text(properties["Description"]);
      const names = { FunctionName: ref.name, Name: alias, FunctionVersion: version };
      checkInput("lambda", "CreateAlias", { ...names, Description: description });
      const weights = weightsIn(properties);
      const row = await create(ref, { alias, version, weights, description, token });
      const { AliasArn } = aliasConfiguration(row, weights);
      const provisioned = provisionedIn(properties);
      if (provisioned !== undefined) await provision({ ...row, qualifier: alias }, provisioned, call);
      return { physicalId: AliasArn, attributes: { AliasArn } };
    },
    replaceOn: ["FunctionName", "Name"],
    async update({ properties, physicalId, attributes, former }, call) {
      const ref = ownFunction(required(properties, "FunctionName"), undefined, call, "UpdateAlias");
      const { name: FunctionName } = ref;
      const input = { FunctionName, Name: required(properties, "Name") };
      const FunctionVersion = required(properties, "FunctionVersion");
      const changed = { ...input, FunctionVersion, Description: text(properties["Description"]) ?? "" };
      checkInput("lambda", "UpdateAlias", changed);
      const RoutingConfig = { AdditionalVersionWeights: weightsIn(properties) };
      await UpdateAlias({ ...changed, RoutingConfig }, call);
      const provisioned = provisionedIn(properties);
      if (provisioned !== undefined || provisionedIn(former.properties) !== undefined) {
        await provision({ ...ref, qualifier: input.Name }, provisioned, call);
      }
      return { physicalId, attributes };
    },
    read: aliasReader(deps),
    async delete({ physicalId }, call) {
      const ref: FunctionRef = ownFunction(physicalId, undefined, call, "DeleteAlias");
      if (ref.qualifier !== undefined) await unlessGone(remove(ref, ref.qualifier));
    },
  };
}
