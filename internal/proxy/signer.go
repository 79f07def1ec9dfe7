package proxy

import (
	"context"
	"fmt"
	"net/http"
)

// Signer has calls signed by one path of Vault's. It is safe for concurrent use.
type Signer interface {
	// Sign returns the headers of a call. Its error is a *VaultError, or the context's.
	Sign(ctx context.Context, call Call) (*Signed, error)
	// Reject says that the vendor answered 401 to what Sign returned, where the call is not made again: the next Sign reports it.
	Reject(signed *Signed)
}

// Call is what a Signer signs.
type Call struct {
	// Parameters are those of a sign path.
	Parameters map[string]any
	// Rejected is what Sign returned before, if the vendor answered 401 to it; nil in a first attempt.
	Rejected *Signed
}

// Signed is what Vault returned.
type Signed struct {
	// Headers are those that the call is sent with.
	Headers map[string]string
	// URL is where the call goes; "" for headers that are for every call below BaseURL.
	URL, BaseURL string
	// Query are the parameters that Vault appended to URL, decoded.
	Query map[string]string
	// Warnings are Vault's.
	Warnings []string
	// Origin is for the Signer, which gets it back in Rejected.
	Origin any
}

// VaultError is why Vault did not sign a call.
type VaultError struct {
	// Status is that of Vault's answer; 0: there was none.
	Status int
	// Reason is for the log. It contains nothing of the call.
	Reason string
}

func (e *VaultError) Error() string {
	if e.Status == 0 {
		return e.Reason
	}
	return fmt.Sprintf("Vault answered with status %d: %s", e.Status, e.Reason)
}

// answer is the status that the application gets: 503 if another try may succeed soon, else 502.
func (e *VaultError) answer() int {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusPreconditionFailed:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadGateway
	}
}
