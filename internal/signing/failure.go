package signing

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
)

// Failure is why Vault did not sign a call. Its methods are what that means.
type Failure struct {
	// Status is that of Vault's answer; 0: there was none.
	Status int
	// Reason is for the log. It contains nothing of the call.
	Reason string
}

func (f *Failure) Error() string {
	if f.Status == 0 {
		return f.Reason
	}
	return fmt.Sprintf("Vault answered with status %d: %s", f.Status, f.Reason)
}

// Denied reports whether Vault denied the request to its token: another token may be let.
func (f *Failure) Denied() bool { return f.Status == http.StatusForbidden }

// OfTheCall reports whether the failure depends on the call: it may break a rule of the engine's or of a policy's. That
// the token has ended does not depend on it, but only Vault tells it from a policy's refusal (ErrInvalidToken in
// sdk/logical/error.go).
func (f *Failure) OfTheCall() bool {
	return f.Status == http.StatusBadRequest || f.Denied() && !strings.Contains(f.Reason, "invalid token")
}

// Passes reports whether the same call may succeed soon: the vendor limits, or Vault is sealed, busy or behind.
func (f *Failure) Passes() bool {
	return f.Status == http.StatusTooManyRequests || f.Status == http.StatusServiceUnavailable ||
		f.Status == http.StatusPreconditionFailed
}

// inBatch is how a reason begins that is about a call of a batch, of which the client left this one alone.
var inBatch = regexp.MustCompile(`^(?:requests\[\d+\]: |(request_string)s\[\d+\])`)

// Fault is what is wrong with a call, if that is what Vault's reason for a 400 is about. The engine's reasons for those
// quote no values. They begin with the name of a parameter, or end in a list of those that its scheme takes; one that
// is unknown or missing there is not the caller's fault. "" for all others, such as that there is no such config.
func (f *Failure) Fault(call Call) string {
	if f.Status != http.StatusBadRequest {
		return ""
	}
	fault, _, ofScheme := strings.Cut(inBatch.ReplaceAllString(f.Reason, "$1"), "; this takes ")
	name, rest, _ := strings.Cut(fault, " ")
	_, sent := call.Parameters[name]
	if sent || ofScheme && name != "unknown" && rest != "is required" {
		return fault
	}
	return ""
}

// Missing is the parameter that the engine requires and a call was not sent with, if that is Vault's reason; else "".
func (f *Failure) Missing() string {
	fault, _, _ := strings.Cut(inBatch.ReplaceAllString(f.Reason, "$1"), "; this takes ")
	name, missing := strings.CutSuffix(fault, " is required")
	if f.Status != http.StatusBadRequest || !missing {
		return ""
	}
	return name
}

// Explain words an error of a transport by its type. It does not quote the error, which may repeat what the other side
// sent.
func Explain(err error) string {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "TLS: the certificate is not trusted, has expired or is for another name"
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, http.ErrSchemeMismatch) {
		return "TLS: the server does not speak TLS"
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return "DNS: the name could not be resolved"
	}
	if operation, is := errors.AsType[*net.OpError](err); is && operation.Op == "dial" {
		return "could not connect"
	}
	return "the connection broke, or the server does not speak HTTP"
}
