package client

import (
	"errors"
	"net/url"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Failure is why Vault did not sign a call: the status of Vault's answer, if there was one, and a reason that contains
// nothing of the call. Its methods are what that means: whether another token may be let, whether it is about the call,
// whether it may pass soon.
type Failure = signing.Failure

// Explain returns why Vault did not sign a call, from an error of Signer.Sign.
func Explain(err error) *Failure {
	if answer, is := errors.AsType[*api.ResponseError](err); is {
		reason := "no reason given"
		if !answer.RawError && len(answer.Errors) > 0 { // the engine's and Vault's errors quote no values
			reason = strings.Join(answer.Errors, "; ")
			if _, list, is := strings.Cut(reason, " occurred:\n\t* "); is { // "2 errors occurred:", and a line each
				reason = strings.ReplaceAll(strings.TrimSpace(list), "\n\t* ", "; ")
			}
		}
		return &Failure{Status: answer.StatusCode, Reason: reason}
	}
	if failed, is := errors.AsType[*url.Error](err); is {
		return &Failure{Reason: "no answer from Vault: " + signing.Explain(failed.Err)}
	}
	return &Failure{Reason: err.Error()}
}
