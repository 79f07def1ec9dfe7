package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
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

// unsigned is the answer to an application whose call Vault did not sign: 400 if that is for what the application sent, 503 if another
// try may succeed soon, else 502.
func unsigned(err error, call Call) *problem {
	refused, is := errors.AsType[*VaultError](err)
	switch {
	case !is:
	case refused.Status == http.StatusBadRequest:
		if fault := faultOf(refused.Reason, call); fault != "" {
			return refusal(http.StatusBadRequest, "Vault refused the call: "+fault)
		}
	case refused.Status == http.StatusTooManyRequests, refused.Status == http.StatusServiceUnavailable,
		refused.Status == http.StatusPreconditionFailed:
		return failure(http.StatusServiceUnavailable, sideVault, "Vault did not sign the call", err.Error())
	}
	return failure(http.StatusBadGateway, sideVault, "Vault did not sign the call", err.Error())
}

// faultOf is what is wrong with a call, if that is what Vault's reason for a 400 is about. The engine's reasons for those quote no
// values. They begin with the name of a parameter, or end in a list of those that its scheme takes; one that is unknown or missing there
// is a fault of the route's. "" for all others, such as that there is no such config.
func faultOf(reason string, call Call) string {
	fault, _, ofScheme := strings.Cut(reason, "; this takes ")
	name, rest, _ := strings.Cut(fault, " ")
	if strings.HasPrefix(name, "request_strings[") { // a batch's, of which the client left this call alone
		fault = sendRequestString + " " + rest
		name = sendRequestString
	}
	_, sent := call.Parameters[name]
	if sent || ofScheme && name != "unknown" && rest != "is required" {
		return fault
	}
	return ""
}
