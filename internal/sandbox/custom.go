package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"time"
)

const customPrefix = "/custom/"

// customEndpoints are what the made-up API serves.
var customEndpoints = []endpoint{
	{"GET POST", "/custom/v1/orders", `{"orders":[]}`},
	{"GET DELETE", "/custom/v1/orders/*", `{"order":{}}`},
}

// custom plays an API of no vendor's, which stands for those that an operator declares. A call has two headers: X-Time,
// in Unix seconds, and X-Signature, the HMAC-SHA256 in lower-case hex of
//
//	<X-Time> \n <method> \n <path and query> \n <SHA-256 of the body in lower-case hex>
//
// The last part may be empty if there is no body.
func (s *Sandbox) custom(r *http.Request, behaviour Behaviour) answer {
	seconds, err := strconv.ParseInt(r.Header.Get("X-Time"), 10, 64)
	if err != nil {
		return message(http.StatusUnauthorized, "Unauthorized", "X-Time is not a number")
	}
	if off := s.clock().Sub(time.Unix(seconds, 0)).Abs(); off > behaviour.SignatureLife {
		return message(http.StatusUnauthorized, "Unauthorized", "X-Time is too far off")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 1<<20))
	if err != nil {
		return message(http.StatusRequestEntityTooLarge, "Payload Too Large", "the body is too large")
	}
	given := r.Header.Get("X-Signature")
	begin := r.Header.Get("X-Time") + "\n" + r.Method + "\n" + r.URL.RequestURI() + "\n"
	sum := sha256.Sum256(body)
	if given != hmacSHA256(behaviour.CustomSecret, begin+hex.EncodeToString(sum[:])) &&
		(len(body) > 0 || given != hmacSHA256(behaviour.CustomSecret, begin)) {
		return message(http.StatusUnauthorized, "Unauthorized", "X-Signature is wrong")
	}
	return serve(customEndpoints, r)
}
