import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.batchmanager.SqsAsyncBatchManager;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;

/** Sends, receives and deletes so many messages through the batch manager: {@code Batches ENDPOINT COUNT}. */
public class Batches {
  public static void main(String[] arguments) {
    int count = Integer.parseInt(arguments[1]);
    ScheduledExecutorService timers = Executors.newScheduledThreadPool(2);
    try (SqsAsyncClient client = SqsAsyncClient.builder()
            .endpointOverride(URI.create(arguments[0]))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .build();
        SqsAsyncBatchManager batches = SqsAsyncBatchManager.builder()
            .client(client)
            .scheduledExecutor(timers)
            .overrideConfiguration(o -> o.maxBatchSize(10).sendRequestFrequency(Duration.ofMillis(20)))
            .build()) {
      String queue = client.createQueue(r -> r.queueName("java-batches")).join().queueUrl();
      List<CompletableFuture<?>> sends = new ArrayList<>();
      for (int i = 0; i < count; i += 1) {
        String body = "message " + i;
        sends.add(batches.sendMessage(r -> r.queueUrl(queue).messageBody(body)));
      }
      CompletableFuture.allOf(sends.toArray(CompletableFuture[]::new)).join();

      Set<String> bodies = new TreeSet<>();
      List<CompletableFuture<?>> deletes = new ArrayList<>();
      for (int round = 0; round < 20 * count && bodies.size() < count; round += 1) {
        for (Message message : batches.receiveMessage(r -> r.queueUrl(queue)).join().messages()) {
          bodies.add(message.body());
          deletes.add(batches.deleteMessage(r -> r.queueUrl(queue).receiptHandle(message.receiptHandle())));
        }
      }
      CompletableFuture.allOf(deletes.toArray(CompletableFuture[]::new)).join();
      var left = client.getQueueAttributes(r -> r.queueUrl(queue)
          .attributeNames(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES,
              QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE)).join().attributesAsStrings();
      System.out.println("taken " + bodies.size() + " left " + new TreeSet<>(left.values()));
    }
    timers.shutdownNow();
  }
}
