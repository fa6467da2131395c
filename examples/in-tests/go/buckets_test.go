package receipts

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestABucketKeepsWhatItIsGiven(t *testing.T) {
	ctx := context.Background()
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(startMikan(t)),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		UsePathStyle: true,
	})
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("receipts")}); err != nil {
		t.Fatal(err)
	}
	put := &s3.PutObjectInput{Bucket: aws.String("receipts"), Key: aws.String("a1.txt"), Body: strings.NewReader("2 x tea")}
	if _, err := client.PutObject(ctx, put); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("receipts"), Key: aws.String("a1.txt")})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	if err != nil || string(body) != "2 x tea" {
		t.Fatalf("%q, %v", body, err)
	}
}
