package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Kind says what sort of failure an exchange met.
type Kind int

// The kinds of failure.
const (
	// Refused: the vendor rejects the credentials (400, 401 or 403). Asking again changes nothing.
	Refused Kind = iota + 1
	// Limited: the vendor wants fewer requests (429).
	Limited
	// Unavailable: no answer, or one with a status of 500 and above.
	Unavailable
	// Nonsense: an answer that the request cannot have: a redirect, a web page, an expired token.
	Nonsense
)

// Error is a vendor's failure to give the answer that was asked for. It contains nothing that the vendor sent except
// the status.
type Error struct {
	Timing
	Kind Kind
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Host is the host and port that were asked.
	Host string
	// Reason says in words what happened.
	Reason string
	// RetryAfter is how long the vendor asks to be left alone, at most a day; 0 if it does not say.
	RetryAfter time.Duration
}

// Error names the host, the reason, and the status if there was an answer.
func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("no answer from %s: %s", e.Host, e.Reason)
	}
	return fmt.Sprintf("%s answered with status %d: %s", e.Host, e.Status, e.Reason)
}

// RetryDelay returns RetryAfter.
func (e *Error) RetryDelay() time.Duration { return e.RetryAfter }

// maxRetryAfter is the most that a Retry-After counts for. A larger number is most likely a mistake.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header Retry-After, seconds or a date (RFC 9110, section 10.2.3); 0 if there is none, or none
// that can be read.
func retryAfter(response *http.Response, now time.Time) time.Duration {
	value := response.Header.Get("Retry-After")
	seconds, err := strconv.ParseUint(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || seconds > uint64(maxRetryAfter/time.Second):
		return maxRetryAfter
	case err == nil:
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}

// dateOf reads the header Date; zero if it is missing or malformed, or if a cache answered.
func dateOf(response *http.Response) time.Time {
	if response.Header.Get("Age") != "" {
		return time.Time{}
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}

// rejected is the reason of a refusal.
const rejected = "it rejects the credentials"

// noCause is the reason for every failure to get an answer from a loopback address. With causes, anyone who can write a
// base URL could find out which ports are open there.
const noCause = "on loopback no cause is given; check the port, http or https, ca_cert and request_timeout"

// explain words an error of the transport by its type, and reports whether another attempt may succeed. It never quotes
// the error: some repeat what the other side sent.
func explain(err error) (reason string, again bool) {
	if refused, is := errors.AsType[*refusedAddressError](err); is {
		return "its name leads to an address that " + refused.fault, false
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "TLS: its certificate is not trusted, has expired or is for another name (ca_cert adds a root)", false
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, http.ErrSchemeMismatch) {
		return "TLS: the server does not speak TLS", false
	}
	if dns, is := errors.AsType[*net.DNSError](err); is {
		return "DNS: its name could not be resolved", !dns.IsNotFound
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout: it took longer than request_timeout", false
	}
	if errors.Is(err, context.Canceled) {
		return "the request was canceled", false
	}
	if operation, is := errors.AsType[*net.OpError](err); is {
		switch operation.Op {
		case "dial":
			return "could not connect", true
		case "proxyconnect":
			return "could not connect to the proxy", true
		case "remote error", "local error":
			// What crypto/tls calls an alert of the other side's, or of this one's (crypto/tls, conn.go).
			return "TLS: handshake failed (TLS 1.2 or later is required)", false
		}
	}
	if _, is := errors.AsType[*url.Error](err); is {
		return "the connection broke, or the server does not speak HTTP", true
	}
	return "the connection broke", true
}
