package tiles;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.LinkedHashMap;
import java.util.Map;

/** A handler as AWS's documentation writes them. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
  @Override
  public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
    context.getLogger().log("zoom " + event.get("zoom"));
    int zoom = ((Number) event.get("zoom")).intValue();
    if (zoom > 22) throw new IllegalArgumentException("no such zoom");
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("tiles", 1L << (2 * zoom));
    answer.put("function", context.getFunctionName());
    answer.put("requestId", context.getAwsRequestId());
    answer.put("memory", context.getMemoryLimitInMB());
    answer.put("hasTime", context.getRemainingTimeInMillis() > 0);
    return answer;
  }
}
