/** The properties of the CloudFormation types. Source: CloudFormation resource reference, "AWS::ElasticLoadBalancingV2". */
import type { Json } from "../../kit/resource.ts";
import { flag, integer, listOf, needed, object, oneOf, text, type Reader } from "./properties.ts";

const portMax = 65_535;
const port = integer(1, portMax);

/** Accepted here, and refused by the operation in its own words. */
const anything: Reader<Json> = (json) => json;

function present<K extends string, T>(name: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: T });
}

const tag: Reader<{ Key: string; Value: string }> = (json, path) => {
  const { Key, Value } = object({ Key: text, Value: text })(json, path);
  return { Key: needed(Key, `${path}/Key`), Value: Value ?? "" };
};
export const tags = listOf(tag);
export const attributes = listOf(object({ Key: text, Value: text }));

const protocols = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"] as const;
const protocol = oneOf(...protocols);

const forwardConfig = object({
  TargetGroups: listOf(object({ TargetGroupArn: text, Weight: integer(0, 999) })),
  TargetGroupStickinessConfig: object({ Enabled: flag, DurationSeconds: integer(1, 604_800) }),
});

const redirectConfig: Reader<{
  StatusCode: "HTTP_301" | "HTTP_302";
  Protocol?: string;
  Host?: string;
  Port?: string;
  Path?: string;
  Query?: string;
}> = (json, path) => {
  const shape = {
    StatusCode: oneOf("HTTP_301", "HTTP_302"),
    Protocol: oneOf("HTTP", "HTTPS", "#{protocol}"),
    Host: text,
    Port: text,
    Path: text,
    Query: text,
  };
  const { StatusCode, ...rest } = object(shape)(json, path);
  return { StatusCode: needed(StatusCode, `${path}/StatusCode`), ...rest };
};

const fixedResponseConfig: Reader<{ StatusCode: string; ContentType?: string; MessageBody?: string }> = (
  json,
  path,
) => {
  const { StatusCode, ...rest } = object({ StatusCode: text, ContentType: text, MessageBody: text })(json, path);
  const status = needed(StatusCode, `${path}/StatusCode`);
  return { StatusCode: oneOfStatus(status, `${path}/StatusCode`), ...rest };
};

/** Source: API reference, FixedResponseActionConfig: 2XX, 4XX or 5XX. */
const oneOfStatus = (status: string, path: string) =>
  String(integer(200, 599)(/^[245]/.test(status) ? status : 0, path));

const actionTypes = [
  "forward",
  "authenticate-oidc",
  "authenticate-cognito",
  "redirect",
  "fixed-response",
  "jwt-validation",
] as const;

const jwtValidationConfig = (json: Json, path: string) => {
  const shape = {
    JwksEndpoint: text,
    Issuer: text,
    AdditionalClaims: listOf((one: Json, at: string) => {
      const format = oneOf("single-string", "string-array", "space-separated-values");
      const { Format, Name, Values } = object({ Format: format, Name: text, Values: listOf(text) })(one, at);
      return {
        Format: needed(Format, `${at}/Format`),
        Name: needed(Name, `${at}/Name`),
        Values: needed(Values, `${at}/Values`),
      };
    }),
  };
  const { JwksEndpoint, Issuer, AdditionalClaims } = object(shape)(json, path);
  return {
    JwksEndpoint: needed(JwksEndpoint, `${path}/JwksEndpoint`),
    Issuer: needed(Issuer, `${path}/Issuer`),
    ...present("AdditionalClaims", AdditionalClaims),
  };
};

/** What these say does not matter: the type they belong to is refused by name. */
const refusedConfigs = { AuthenticateOidcConfig: anything, AuthenticateCognitoConfig: anything };
const actionShape = {
  Type: oneOf(...actionTypes),
  Order: integer(1, 50_000),
  TargetGroupArn: text,
  ForwardConfig: forwardConfig,
  RedirectConfig: redirectConfig,
  FixedResponseConfig: fixedResponseConfig,
  JwtValidationConfig: jwtValidationConfig,
};

const action = (json: Json, path: string) => {
  const read = object({ ...actionShape, ...refusedConfigs })(json, path);
  return {
    Type: needed(read.Type, `${path}/Type`),
    ...present("Order", read.Order),
    ...present("TargetGroupArn", read.TargetGroupArn),
    ...present("ForwardConfig", read.ForwardConfig),
    ...present("RedirectConfig", read.RedirectConfig),
    ...present("FixedResponseConfig", read.FixedResponseConfig),
    ...present("JwtValidationConfig", read.JwtValidationConfig),
  };
};

const values = { Values: listOf(text), RegexValues: listOf(text) };
const condition = object({
  Field: text,
  ...values,
  HostHeaderConfig: object(values),
  PathPatternConfig: object(values),
  HttpHeaderConfig: object({ HttpHeaderName: text, ...values }),
  HttpRequestMethodConfig: object({ Values: listOf(text) }),
  QueryStringConfig: object({ Values: listOf(object({ Key: text, Value: text })) }),
  SourceIpConfig: object({ Values: listOf(text), IpAddressType: oneOf("ipv4", "ipv6") }),
});

const rewrites = object({
  Rewrites: listOf((json: Json, path: string) => {
    const { Regex, Replace } = object({ Regex: text, Replace: text })(json, path);
    return { Regex: needed(Regex, `${path}/Regex`), Replace: needed(Replace, `${path}/Replace`) };
  }),
});
const transform = (json: Json, path: string) => {
  const { Type, ...rest } = object({
    Type: oneOf("host-header-rewrite", "url-rewrite"),
    HostHeaderRewriteConfig: rewrites,
    UrlRewriteConfig: rewrites,
  })(json, path);
  return { Type: needed(Type, `${path}/Type`), ...rest };
};

const subnetMapping = object({
  SubnetId: text,
  AllocationId: text,
  PrivateIPv4Address: text,
  IPv6Address: text,
  SourceNatIpv6Prefix: text,
});

export const loadBalancerShape = {
  EnableCapacityReservationProvisionStabilize: flag,
  EnablePrefixForIpv6SourceNat: oneOf("on", "off"),
  EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: oneOf("on", "off"),
  IpAddressType: oneOf("ipv4", "dualstack", "dualstack-without-public-ipv4"),
  Ipv4IpamPoolId: text,
  LoadBalancerAttributes: attributes,
  MinimumLoadBalancerCapacity: object({ CapacityUnits: integer(0, Number.MAX_SAFE_INTEGER) }),
  Name: text,
  Scheme: oneOf("internet-facing", "internal"),
  SecurityGroups: listOf(text),
  SubnetMappings: listOf(subnetMapping),
  Subnets: listOf(text),
  Tags: tags,
  Type: oneOf("application", "network", "gateway"),
};

export const listenerShape = {
  DefaultActions: listOf(action),
  ListenerAttributes: attributes,
  LoadBalancerArn: text,
  Port: port,
  Protocol: protocol,
  Certificates: listOf(object({ CertificateArn: text })),
  SslPolicy: text,
  AlpnPolicy: listOf(text),
  MutualAuthentication: object({
    Mode: text,
    TrustStoreArn: text,
    IgnoreClientCertificateExpiry: flag,
    AdvertiseTrustStoreCaNames: oneOf("on", "off"),
  }),
  Tags: tags,
};

export const ruleShape = {
  Actions: listOf(action),
  Conditions: listOf(condition),
  ListenerArn: text,
  Priority: integer(1, 50_000),
  Tags: tags,
  Transforms: listOf(transform),
};

const target = (json: Json, path: string) => {
  const { Id, ...rest } = object({ Id: text, Port: port, AvailabilityZone: text, QuicServerId: text })(json, path);
  return { Id: needed(Id, `${path}/Id`), ...rest };
};

export const targetGroupShape = {
  HealthCheckEnabled: flag,
  HealthCheckIntervalSeconds: integer(5, 300),
  HealthCheckPath: text,
  HealthCheckPort: text,
  HealthCheckProtocol: protocol,
  HealthCheckTimeoutSeconds: integer(2, 120),
  HealthyThresholdCount: integer(2, 10),
  IpAddressType: oneOf("ipv4", "ipv6"),
  Matcher: object({ HttpCode: text, GrpcCode: text }),
  Name: text,
  Port: port,
  Protocol: protocol,
  ProtocolVersion: text,
  Tags: tags,
  TargetControlPort: port,
  TargetGroupAttributes: attributes,
  TargetType: oneOf("instance", "ip", "lambda", "alb"),
  Targets: listOf(target),
  UnhealthyThresholdCount: integer(2, 10),
  VpcId: text,
};
