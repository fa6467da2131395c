/**
 * Cases of h2spec 2.6 that do not pass, as `section: description`, and why. They are nghttp2's and Node's ways, which
 * frame our HTTP/2; h2spec tests RFC 7540, and none of them lets two ends read a request differently.
 */
const closedStream =
  "nghttp2 remembers no closed streams (Node sets that, for memory): what comes on one is ignored, not answered STREAM_CLOSED.";
const priorities = "nghttp2 reads no PRIORITY frames any more: RFC 9113 section 5.3.2 deprecates them.";

export const h2specExceptions: Readonly<Record<string, string>> = {
  "http2/5.1: closed: Sends a DATA frame": closedStream,
  "http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame": closedStream,
  "http2/5.1: closed: Sends a HEADERS frame": closedStream,
  "http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame": closedStream,
  "http2/5.1.1: Sends stream identifier that is numerically smaller than previous": closedStream,
  "http2/5.3.1: Sends PRIORITY frame that depend on itself": priorities,
  "http2/6.3: Sends a PRIORITY frame with 0x0 stream identifier": priorities,
  "http2/6.7: Sends a PING frame with ACK":
    "Node ends a connection on which an answer comes that nobody asked for; RFC 9113 lets it be ignored.",
  "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream":
    "nghttp2 ends the connection with FLOW_CONTROL_ERROR, where the stream would do.",
};
