// A function as AWS's documentation writes them: an answer of JSON, or a stream.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Zoom int
}

type answer struct {
	Tiles     int
	RequestID string
	HasTime   bool
}

func buffered(ctx context.Context, in event) (answer, error) {
	log.Println("zoom", in.Zoom)
	if in.Zoom > 22 {
		return answer{}, errors.New("no such zoom")
	}
	about, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	return answer{Tiles: 1 << (2 * in.Zoom), RequestID: about.AwsRequestID, HasTime: time.Until(deadline) > 0}, nil
}

// streamed writes a part for each zoom; one too far fails midstream.
func streamed(in event) (io.Reader, error) {
	reader, writer := io.Pipe()
	go func() {
		for zoom := 0; zoom <= in.Zoom; zoom++ {
			if zoom > 2 {
				writer.CloseWithError(errors.New("no such zoom"))
				return
			}
			io.WriteString(writer, "part ")
			time.Sleep(10 * time.Millisecond)
		}
		writer.Close()
	}()
	return reader, nil
}

func main() {
	if os.Getenv("_HANDLER") == "streamed" {
		lambda.Start(streamed)
	} else {
		lambda.Start(buffered)
	}
}
