// The function of the bench in Go, with AWS's own runtime client.
package main

import (
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Path    string `json:"path"`
	RawPath string `json:"rawPath"`
}

type quote struct {
	Path     string  `json:"path"`
	Price    float64 `json:"price"`
	Currency string  `json:"currency"`
}

type answer struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

func handle(in event) (answer, error) {
	path := in.Path
	if path == "" {
		path = in.RawPath
	}
	body, err := json.Marshal(quote{path, 12.5, "JPY"})
	return answer{200, map[string]string{"Content-Type": "application/json"}, string(body)}, err
}

func main() {
	lambda.Start(handle)
}
