/** Attributes of listeners. Source: API reference, ListenerAttribute; ALB user guide, "HTTP header modification". Pure. */
import type { ListenerConfig } from "../../edge/ports.ts";
import {
  attributeOf,
  between,
  flag,
  oneOf,
  type AttributeRule,
  type Attributes,
  type Catalogue,
} from "./attributes.ts";
import { invalid } from "./refusals.ts";

type Rules = Readonly<Record<string, AttributeRule>>;

const lengthMax = 1024;
/** What may stand in a field value (RFC 9110 section 5.5), without what is not ASCII. */
const fieldValue = /^[\t\u0020-\u007e]*$/;
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const text: AttributeRule = {
  default: "",
  refuse(key, value) {
    if (value.length > lengthMax) return invalid(`'${key}' value cannot be longer than '${lengthMax}' characters`);
    return fieldValue.test(value)
      ? undefined
      : invalid(`'${key}' value '${value}' contains a character that is not valid`);
  },
};

/** Empty, or what `allowed` allows. */
const optional = (allowed: NonNullable<AttributeRule["refuse"]>): AttributeRule => ({
  default: "",
  refuse: (key, value) => (value === "" ? undefined : allowed(key, value)),
});

const methods = ["GET", "HEAD", "POST", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PUT", "PATCH", "*"];
const methodList = optional((key, value) =>
  value.split(",").every((method) => methods.includes(method.trim()))
    ? undefined
    : invalid(`'${key}' value '${value}' must be a comma separated list of [${methods.join(", ")}]`),
);

/** Fields that are set in every answer: their name, and which values they may have. */
const responseFields: Readonly<Record<string, { field: string; rule: AttributeRule }>> = {
  strict_transport_security: { field: "Strict-Transport-Security", rule: text },
  access_control_allow_origin: { field: "Access-Control-Allow-Origin", rule: text },
  access_control_allow_methods: { field: "Access-Control-Allow-Methods", rule: methodList },
  access_control_allow_headers: { field: "Access-Control-Allow-Headers", rule: text },
  access_control_allow_credentials: { field: "Access-Control-Allow-Credentials", rule: optional(oneOf("true")) },
  access_control_expose_headers: { field: "Access-Control-Expose-Headers", rule: text },
  access_control_max_age: { field: "Access-Control-Max-Age", rule: optional(between(0, 86_400)) },
  content_security_policy: { field: "Content-Security-Policy", rule: text },
  x_content_type_options: { field: "X-Content-Type-Options", rule: optional(oneOf("nosniff")) },
  x_frame_options: {
    field: "X-Frame-Options",
    rule: optional((key, value) =>
      /^(?:DENY|SAMEORIGIN|ALLOW-FROM \S+)$/.test(value)
        ? undefined
        : invalid(`'${key}' value '${value}' must be one of [DENY, SAMEORIGIN, ALLOW-FROM https://example.com]`),
    ),
  },
};

const headerValueKey = (name: string) => `routing.http.response.${name}.header_value`;

const serverKey = "routing.http.response.server.enabled";

const httpRules: Rules = {
  [serverKey]: { default: "true", refuse: flag },
  ...Object.fromEntries(
    Object.entries(responseFields)
      // HSTS is nothing for clear text.
      .filter(([name]) => name !== "strict_transport_security")
      .map(([name, { rule }]) => [headerValueKey(name), rule]),
  ),
};

/** What the load balancer tells the target of the client's TLS, and by which name unless it is given another. */
const renamed = {
  x_amzn_mtls_clientcert_serial_number: "X-Amzn-Mtls-Clientcert-Serial-Number",
  x_amzn_mtls_clientcert_issuer: "X-Amzn-Mtls-Clientcert-Issuer",
  x_amzn_mtls_clientcert_subject: "X-Amzn-Mtls-Clientcert-Subject",
  x_amzn_mtls_clientcert_validity: "X-Amzn-Mtls-Clientcert-Validity",
  x_amzn_mtls_clientcert_leaf: "X-Amzn-Mtls-Clientcert-Leaf",
  x_amzn_mtls_clientcert: "X-Amzn-Mtls-Clientcert",
  x_amzn_tls_version: "X-Amzn-Tls-Version",
  x_amzn_tls_cipher_suite: "X-Amzn-Tls-Cipher-Suite",
};
/** Source: ALB user guide, "Rename mTLS/TLS headers": 40 characters of a field name. */
const nameLengthMax = 40;

const newName: AttributeRule = {
  default: "",
  refuse(key, value) {
    if (value === "") return undefined;
    if (value.length > nameLengthMax)
      return invalid(`'${key}' value cannot be longer than '${nameLengthMax}' characters`);
    return fieldName.test(value) ? undefined : invalid(`'${key}' value '${value}' is not a valid header name`);
  },
};

const headerNameKey = (name: string) => `routing.http.request.${name}.header_name`;

const httpsRules: Rules = {
  ...Object.fromEntries(
    Object.entries(renamed).map(([name, field]) => [headerNameKey(name), { ...newName, default: field }]),
  ),
  [headerValueKey("strict_transport_security")]: text,
  ...httpRules,
};

const tcpRules: Rules = { "tcp.idle_timeout.seconds": { default: "350", refuse: between(60, 6000) } };

const catalogues: Readonly<Record<string, Catalogue>> = {
  HTTP: { owner: "Listener", rules: httpRules },
  HTTPS: { owner: "Listener", rules: httpsRules },
  TCP: { owner: "Listener", rules: tcpRules },
  // A TLS listener's idle timeout is 350 s, and AWS has no attribute for it.
  TLS: { owner: "Listener", rules: {} },
};
const none: Catalogue = { owner: "Listener", rules: {} };

/** The attributes that a listener of `protocol` has. */
export const listenerAttributes = ({ protocol }: { protocol: string }): Catalogue => catalogues[protocol] ?? none;

/** The fields of answers as the edge takes them; undefined where nothing is changed. */
export function responseConfig(listener: {
  protocol: string;
  attributes: Attributes;
}): Pick<ListenerConfig, "response"> {
  const catalogue = listenerAttributes(listener);
  const valueOf = (key: string) => attributeOf(catalogue, listener.attributes, key);
  const hideServer = valueOf(serverKey) === "false";
  const set = Object.entries(responseFields).flatMap(([name, { field }]) => {
    const value = valueOf(headerValueKey(name));
    return value === "" ? [] : [field, value];
  });
  return hideServer || set.length > 0 ? { response: { hideServer, set } } : {};
}

/** What the fields about the client's TLS are called. */
export function tlsFieldNames(listener: { protocol: string; attributes: Attributes }) {
  const nameOf = (name: keyof typeof renamed) =>
    listener.attributes[headerNameKey(name)] === "" || listener.attributes[headerNameKey(name)] === undefined
      ? renamed[name]
      : (listener.attributes[headerNameKey(name)] ?? renamed[name]);
  return { version: nameOf("x_amzn_tls_version"), cipherSuite: nameOf("x_amzn_tls_cipher_suite") };
}
