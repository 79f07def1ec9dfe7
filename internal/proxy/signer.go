package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// routeSigner is a route's signer.
type routeSigner struct {
	signing.Signer
	log    *slog.Logger
	route  string
	warned atomic.Value // the warnings that the last answer had, a string
}

// Sign has the call signed, and logs Vault's warnings: once, until an answer comes without.
func (s *routeSigner) Sign(ctx context.Context, call signing.Call) (*signing.Signed, error) {
	signed, err := s.Signer.Sign(ctx, call)
	if err != nil {
		return nil, err
	}
	if warnings := strings.Join(signed.Warnings, "\n"); s.warned.Swap(warnings) != warnings {
		for _, text := range signed.Warnings {
			s.log.Warn("Vault warns", "route", s.route, "warning", text)
		}
	}
	return signed, nil
}

// unsigned is the answer to an application whose call Vault did not sign: 400 if that is for what the application sent,
// 503 if another try may succeed soon, else 502.
func unsigned(err error, call signing.Call) *problem {
	status := http.StatusBadGateway
	if failed, is := errors.AsType[*signing.Failure](err); is {
		if fault := failed.Fault(call); fault != "" {
			return refusal(http.StatusBadRequest, "Vault refused the call: "+fault)
		}
		if failed.Passes() {
			status = http.StatusServiceUnavailable
		}
	}
	return failure(status, sideVault, "Vault did not sign the call", err.Error())
}

// forAnotherCall returns the problem with an answer of Vault's that is for another call. Other errors stay.
func forAnotherCall(err error) error {
	if other, is := errors.AsType[*signing.TargetError](err); is {
		return failure(http.StatusBadGateway, sideVault, "Vault's answer is for another call", other.Error())
	}
	return err
}
