package backend

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

// invalidError is the caller's mistake: its text says what to do about it and becomes a 400.
type invalidError struct{ text string }

func (e *invalidError) Error() string { return e.text }

func invalidf(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...)}
}

// heldOffError says that Avanan is not asked for a moment, after too many failures in a row.
type heldOffError struct {
	// wait is how long the moment still lasts.
	wait time.Duration
	// last is the failure that began it.
	last error
}

func (e *heldOffError) Error() string {
	wait := (e.wait + time.Second - 1).Truncate(time.Second)
	return fmt.Sprintf("holding off for %s after repeated failures, the last one: %s", wait, e.last)
}

func (e *heldOffError) Unwrap() error { return e.last }

// respond makes Vault's answer of an error. It is the one place that knows which status an error has.
//
// The coded errors go out bare, since Vault's plugin protocol drops the code of a wrapped one (sdk/plugin/pb,
// translation.go). Refused credentials are a 400, never a 403, which Vault Agent takes for its own token's fault.
// Of no error it makes the answer without a body.
func respond(err error) (*logical.Response, error) {
	if err == nil {
		return nil, nil
	}
	if invalid, is := errors.AsType[*invalidError](err); is {
		return logical.ErrorResponse(invalid.text), nil
	}
	vendor, isVendors := errors.AsType[*avanan.Error](err)
	if isVendors && vendor.Kind == avanan.Refused {
		return logical.ErrorResponse(err.Error() + "; check app_id, secret_key and region, and this server's clock"), nil
	}
	if _, is := errors.AsType[*heldOffError](err); is {
		return nil, logical.CodedError(http.StatusServiceUnavailable, err.Error())
	}
	if isVendors && vendor.Kind == avanan.Limited {
		return nil, logical.CodedError(http.StatusTooManyRequests, err.Error())
	}
	if isVendors {
		return nil, logical.CodedError(http.StatusBadGateway, err.Error())
	}
	return nil, err
}
