package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// check says what is wrong with a configuration that was read; with askVault also what Vault refuses. It sends nothing
// to a vendor.
func check(ctx context.Context, out io.Writer, file string, config *proxy.Config, made *backend, askVault bool) error {
	for _, warning := range config.Warnings() {
		fmt.Fprintln(out, "warning:", warning)
	}
	found, err := readToken(config.Vault.TokenFile)
	switch {
	case err != nil && !errors.Is(err, errNoToken):
		return err
	case err != nil && !askVault:
		fmt.Fprintln(out, "warning:", err)
	case err != nil:
		return err
	case askVault && found.wraps:
		return errors.New("vault.token_file has a wrapped token, which can be unwrapped once only, so it is left for the " +
			"proxy: -vault needs the token itself")
	case askVault:
		if err := made.Health(ctx); err != nil {
			return fmt.Errorf("vault.address, else VAULT_ADDR, leads to no unsealed Vault: %s", client.Explain(err).Reason)
		}
		if refused := made.refused(ctx, out, config); refused > 0 {
			return fmt.Errorf("%d of the calls that %s allows are not signed", refused, file)
		}
	}
	fmt.Fprintln(out, file, "is valid")
	return nil
}

// refused has a call signed for each pattern of each route, writes what Vault says, and returns how many it refuses.
func (b *backend) refused(ctx context.Context, out io.Writer, config *proxy.Config) (refused int) {
	for _, route := range config.Routes {
		signer := b.Signer(route, nil)
		warned := config.ForwardAuth == nil || route.NotForGateways(nil) != "" // or there is nothing to warn of
		for _, sample := range route.Samples() {
			signed, err := sample.Sign(ctx, route, signer)
			if err != nil {
				refused++
				fmt.Fprintf(out, "route %s: %s is not signed: %s\n", route.Name(), sample, b.reason(ctx, route, err))
				continue
			}
			fmt.Fprintf(out, "route %s: %s is signed\n", route.Name(), sample)
			if fault := route.NotForGateways(signed); fault != "" && !warned {
				warned = true
				fmt.Fprintf(out, "warning: route %s: %s\n", route.Name(), fault)
			}
		}
	}
	return refused
}

// reason says why a call was not signed, and what to do.
func (b *backend) reason(ctx context.Context, route *proxy.Route, err error) string {
	failed, is := errors.AsType[*signing.Failure](err)
	if !is {
		return err.Error()
	}
	name := failed.Missing()
	switch {
	case failed.Denied():
		return failed.Error() + b.capability(ctx, route)
	case name != "":
		return fmt.Sprintf("%v (add %s to the route's send; if send does not take it, only package client can make the call)",
			failed, name)
	default:
		return failed.Error()
	}
}

// capability says whether the policies of the token give it the path of a route, if Vault tells.
func (b *backend) capability(ctx context.Context, route *proxy.Route) string {
	needs := "update"
	if kind, _ := signing.KindOf(route.Path); kind == signing.Creds {
		needs = "read"
	}
	has, err := b.vault.Sys().CapabilitiesSelfWithContext(ctx, route.Path)
	switch {
	case err != nil && client.Explain(err).Denied():
		return " (the token has ended, or may not read its capabilities)"
	case err != nil:
		return ""
	case slices.Contains(has, needs), slices.Contains(has, "root"):
		return fmt.Sprintf(" (the token has %s on %s, so a policy refuses this call's parameters)", needs, route.Path)
	default:
		return fmt.Sprintf(" (no policy of the token has %s on %s)", needs, route.Path)
	}
}
