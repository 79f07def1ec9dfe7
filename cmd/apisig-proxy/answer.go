package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// maxAnswer is the longest answer of Vault's that is read, in bytes.
	maxAnswer = 1 << 20
	// maxBatchAnswer is that of a batch: the engine answers with 8 MiB at most, and Vault adds to it.
	maxBatchAnswer = 9 << 20
)

// bounded is a transport to Vault. It breaks off answers that are too long for the engine's.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	limit := int64(maxAnswer)
	if strings.HasSuffix(request.URL.Path, "/batch") {
		limit = maxBatchAnswer
	}
	response.Body = &answer{response.Body, limit, limit}
	return response, nil
}

// answer is the body of an answer.
type answer struct {
	io.ReadCloser
	limit, left int64
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, fmt.Errorf("the answer of Vault is longer than %d MiB", a.limit>>20)
	}
	return n, err
}
