package backend

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// unusableError says why a stored config cannot be used.
type unusableError struct{ path, problem string }

func (e *unusableError) Error() string {
	return fmt.Sprintf("the config at %s cannot be used: %s; write it again", e.path, e.problem)
}

// respondError makes Vault's answer of an error. It is the one place that knows which status an error has.
//
// Coded errors are returned bare, because Vault's plugin protocol loses the code of a wrapped one (sdk/plugin/pb,
// translation.go). Rejected credentials are a 400, never a 403, which Vault Agent takes for a fault of its own token.
func respondError(err error) (*logical.Response, error) {
	if isInvalid(err) {
		return logical.ErrorResponse(err.Error()), nil
	}
	if unusable, is := errors.AsType[*unusableError](err); is {
		return logical.ErrorResponse(unusable.Error()), nil
	}
	failure, isVendors := errors.AsType[*exchange.Error](err)
	_, isHeldOff := errors.AsType[*token.HeldOffError](err)
	switch {
	case isVendors && failure.Kind == exchange.Refused:
		return logical.ErrorResponse(err.Error()), nil
	case isHeldOff, errors.Is(err, api.ErrBusy):
		return nil, logical.CodedError(http.StatusServiceUnavailable, err.Error())
	case isVendors && failure.Kind == exchange.Limited:
		return nil, logical.CodedError(http.StatusTooManyRequests, err.Error())
	case isVendors, errors.Is(err, token.ErrTooShort):
		return nil, logical.CodedError(http.StatusBadGateway, err.Error())
	default:
		return nil, err
	}
}

// isInvalid reports whether an error is the caller's mistake.
func isInvalid(err error) bool {
	_, invalid := errors.AsType[*api.Invalid](err)
	_, input := errors.AsType[*api.InputError](err)
	return invalid || input
}

// isVendors reports whether an error is a failure of the vendor, or a hold-off after some.
func isVendors(err error) bool {
	_, is := errors.AsType[*exchange.Error](err)
	return is || errors.Is(err, token.ErrTooShort)
}

func isRefusal(err error) bool {
	failure, is := errors.AsType[*exchange.Error](err)
	return is && failure.Kind == exchange.Refused
}
