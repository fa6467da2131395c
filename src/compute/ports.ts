/** Compute as others see it: a function's code and settings in, its answer out. Nothing here knows who invokes. */

/** Everything that decides how an environment is made. Another revision is another function as far as compute goes. */
export interface FunctionSpec {
  /** Unique for this code and these settings; an ARN with its revision. */
  id: string;
  /** Shown to the handler: `tiles`. */
  functionName: string;
  /** `$LATEST` or a number. */
  version: string;
  /** `nodejs24.x`, `python3.12`, `provided.al2023` ... */
  runtime: string;
  /** `index.handler`. */
  handler: string;
  /** Directory with the unpacked code; compute never writes to it. Empty for an image. */
  codeDir: string;
  /** The container image that is run in the place of code, runtime and handler. */
  image?: ImageSpec;
  /** Directory with what is in its layers, merged: its `/opt`. Absent without layers; compute never writes to it. */
  optDir?: string;
  /** The function's own variables; compute adds those that the runtime defines. */
  environment: Readonly<Record<string, string>>;
  region: string;
  account: string;
  /** Where the function's own SDK calls go; becomes AWS_ENDPOINT_URL. */
  endpointUrl: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string };
  memoryMiB: number;
  timeoutMs: number;
  logGroup: string;
  /** Size of its `/tmp`, 512-10,240. Default: 512. */
  ephemeralStorageMiB?: number;
  /** Of the platform's lines, and of those of the runtimes that know it. Default: `Text`. */
  logFormat?: "Text" | "JSON";
  /** What the function writes below it is dropped by its runtime. Only with JSON; default there: `INFO`. */
  applicationLogLevel?: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";
  /** What the platform writes below it is dropped. Only with JSON; default there: `INFO`. */
  systemLogLevel?: SystemLogLevel;
  /**
   * Start its environments with a debugger: one at a time, by {@link Compute.provision} alone, never frozen. Whoever asks
   * for it gives a timeout that leaves time to look around.
   */
  debug?: DebugSpec;
}

export interface DebugSpec {
  /** Of 127.0.0.1, where the debugger listens. */
  port: number;
  /** The function's code is loaded when somebody has attached. */
  wait: boolean;
}

/** An image, and what of it the function changes. Source: Lambda API, ImageConfig. */
export interface ImageSpec {
  /** What the engine knows it by: its id, or a name with tag or digest. */
  reference: string;
  /** What another machine's engine knows it by, or fetches it by. */
  elsewhere?: string;
  entryPoint?: readonly string[];
  command?: readonly string[];
  workingDirectory?: string;
}

/** An image as the engine has it. */
export interface ResolvedImage {
  /** `sha256:...`: names these bytes on this machine. */
  id: string;
  /** `sha256:...`, of its manifest; the id for an image that was in no registry. */
  digest: string;
}

export type SystemLogLevel = "DEBUG" | "INFO" | "WARN";

/** Why an environment was started; the function sees it as `AWS_LAMBDA_INITIALIZATION_TYPE`. */
export type InitializationType = "on-demand" | "provisioned-concurrency";

export interface Invocation {
  requestId: string;
  /** JSON, at most 6 MB. */
  payload: Uint8Array;
  /** The ARN as the invoker named it, with its qualifier. */
  invokedArn: string;
  /** `Root=...;Parent=...;Sampled=0`. */
  traceHeader: string;
  /** Base64 JSON of the mobile SDK, as it came. */
  clientContext?: string;
  /** Aborts when the invoker is gone; the invocation still ends by itself. */
  signal?: AbortSignal;
  /** Takes the answer of a function that streams it. Without it such an answer is gathered, up to 6 MB. */
  stream?: ResponseSink;
}

/** Where an answer goes that comes in parts, 200 MB at most. */
export interface ResponseSink {
  /** Once, before the first part: the function streams its answer. `contentType` is its own word. */
  begin(contentType: string): void;
  /** The promise, if there is one, resolves when more is welcome. One who is gone takes everything, and drops it. */
  write(chunk: Uint8Array): Promise<void> | undefined;
}

export interface InvocationResult {
  /**
   * What the handler returned, as JSON, or what it streamed, where the invocation has no sink;
   * or `{ errorType, errorMessage, trace? }`.
   */
  payload: Uint8Array;
  /** The answer went to the invocation's sink: the payload is empty, or the error that broke the stream off. */
  streamed?: true;
  /** `handled`: the runtime reported it. `unhandled`: timeout, crash, failed start. Absent: it went well. */
  error?: "handled" | "unhandled";
  /** Machine-readable kind of an unhandled error. */
  cause?: "timeout" | "crash" | "init" | "too-large" | "memory";
  /** START ... REPORT lines and output of this invocation; the last 4 KiB. */
  logTail: string;
  durationMs: number;
  /** Only of the first invocation of an environment. */
  initMs?: number;
  memoryUsedMiB: number;
  /** What kind of environment it ran in; for AWS's ProvisionedConcurrencyInvocations and its spillover. */
  initialization: InitializationType;
}

/** A line that a function wrote, or one of START, END, REPORT. */
export interface FunctionLogLine {
  logGroup: string;
  logStream: string;
  account: string;
  region: string;
  timeMs: number;
  text: string;
}

export interface FunctionStats {
  specId: string;
  starting: number;
  idle: number;
  busy: number;
}

/** Why an environment was started. */
export type StartReason =
  /** The function was not used before, since the node's start. */
  | "first"
  /** Its code or its settings are others than those of the environments before. */
  | "changed"
  /** All others were busy. */
  | "scale-out"
  /** All that are kept ready were busy. */
  | "spillover"
  /** The one before had ended: nobody used it, */
  | "idle"
  /** another function needed its place, */
  | "evicted"
  /** its invocation took too long, */
  | "timeout"
  /** it died, */
  | "crash"
  /** it needed more memory than it may have, */
  | "memory"
  /** or it never became ready. */
  | "start-failed"
  /** The second try within the invocation whose first one failed. */
  | "retry"
  /** Kept ready, before anybody asked. */
  | "provisioned"
  /** For a debugger. */
  | "debug";

export interface EnvironmentStart {
  /** Milliseconds since the Unix epoch. */
  at: number;
  reason: StartReason;
  /** From its start until it was ready; absent until then. */
  initMs?: number;
  failed?: true;
}

/** Since the node's start. */
export interface FunctionStarts {
  /** Those that an invocation waited for. */
  coldStarts: number;
  counts: Partial<Record<StartReason, number>>;
  /** The last 20, oldest first. */
  recent: readonly EnvironmentStart[];
}

/** A version of a function, and its environments now. */
export interface FunctionReport extends FunctionStarts {
  account: string;
  region: string;
  functionName: string;
  version: string;
  starting: number;
  /** Frozen ones too. */
  idle: number;
  frozen: number;
  busy: number;
  /** Of all these, those that are kept ready. */
  provisioned: number;
}

/** How far {@link Compute.provision} has come. Free and busy environments count alike. */
export interface ProvisionedStatus {
  requested: number;
  /** Started, or starting. Less than `requested` while a start waits for its turn, or the node has no room. */
  allocated: number;
  /** Ready for invocations; all is well when it equals `requested`. */
  available: number;
  /** Why the last start failed; absent once all are available. The start is tried again, ever later. */
  failure?: ProvisionedFailure;
}

export interface ProvisionedFailure {
  /** `init`: the function's own code. `full`: the node has no room for more. */
  cause: "init" | "full";
  /** As AWS's `StatusReason`: `FUNCTION_ERROR_INIT_FAILURE`, or what the node is short of. */
  reason: string;
}

export interface Compute {
  /**
   * Runs one invocation in a warm environment, or in a new one. Never rejects for what the function did; rejects when
   * the node is closing ({@link ComputeClosed}), when it has no room ({@link ComputeFull}), and with the reason of the
   * signal when that aborts before the invocation began. Concurrency is the caller's to bound.
   */
  invoke(spec: FunctionSpec, invocation: Invocation): Promise<InvocationResult>;
  /**
   * Starts `count` environments of `spec` ahead of any invocation and keeps that many: they are neither idled out nor
   * evicted, and one that dies is replaced. Invocations prefer them, and take others ("spillover") when all are busy.
   * Another count replaces the former; 0 ends them, busy ones when they are free. Returns at once: see `provisioned`.
   * The code must stay where it is until the function is retired. After a restart of the node it must be called again.
   */
  provision(spec: FunctionSpec, count: number): void;
  /**
   * What `reference` names on this machine; fetched from its registry where it is not there, and that is allowed, which
   * may take minutes. Rejects with {@link ImageUnavailable}.
   */
  findImage(reference: string): Promise<ResolvedImage>;
  /** All zero for a function that has none. */
  provisioned(specId: string): ProvisionedStatus;
  /**
   * No new invocation will come: ends idle environments, provisioned ones too, now, and busy ones when they are free.
   * Resolves when all have ended, and nothing reads the code any more. With `graceMs` busy ones have that long at most.
   */
  retire(specId: string, graceMs?: number): Promise<void>;
  /** Why `spec` cannot be debugged on this node, and what would help; undefined when it can. */
  debugHindrance(spec: FunctionSpec): Promise<string | undefined>;
  stats(): readonly FunctionStats[];
  /** Versions of functions that ran since the node's start: their environments, and why each was started. */
  functions(): readonly FunctionReport[];
  /** Ends every environment, waiting at most `graceMs` for busy ones. */
  close(graceMs?: number): Promise<void>;
}

/** The node is closing. */
export interface ComputeClosed extends Error {
  name: "ComputeClosed";
}

/** Too many invocations wait already, or this one waited too long for an environment. */
export interface ComputeFull extends Error {
  name: "ComputeFull";
}

/** There is no container engine, or no such image; the message says what to do. */
export interface ImageUnavailable extends Error {
  name: "EngineError";
  /** The engine's word for why, as an HTTP status; 0 where it did not answer. */
  status: number;
}

/** Runtimes that this node can run: the interpreter was found; or why not. */
export interface RuntimeCheck {
  runtime: string;
  available: boolean;
  /** What to install. */
  hint?: string;
}

/** Functions whose package is an image run in containers always; these say what else does, and how. */
export interface ContainerSettings {
  /** Functions of zip files, too. Default: false, those alone whose runtime `images` names. */
  everything?: boolean;
  /** Image of a runtime: `{ "ruby3.4": "local/ruby:3.4" }`. Default for `everything`: AWS's own, of the runtime's name. */
  images?: Readonly<Record<string, string>>;
  /** Fetch images that are not on this machine. Default: true. */
  pull?: boolean;
  /** Path of the engine's socket. Default: what `DOCKER_HOST` names, or the first of Docker's and Podman's that is there. */
  socket?: string;
}
