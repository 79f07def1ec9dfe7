package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// backend is Vault, by package client.
type backend struct {
	vault     *api.Client
	tokenFile string // "": the token does not change

	now    func() time.Time
	looked atomic.Pointer[time.Time] // when the token's file was last read; nil: the next call must read it

	mu      sync.Mutex
	token   string // what was last read from the file
	signers []*client.Signer
}

const (
	// maxIdle is how many connections to Vault are kept. Vault's client keeps one more than there are processors, and opens one for
	// each further call that is signed at the same time.
	maxIdle = 256
	// lookEvery is how long the token's file is not read again, unless a call fails. Looking at it for each call costs a call to a vendor
	// nearby two percent of its time.
	lookEvery = 100 * time.Millisecond
)

// connect makes a client of what the file says, and of the environment where the file is silent.
func connect(vault proxy.Vault) (proxy.Backend, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	if vault.Address != "" {
		config.Address, config.AgentAddress = vault.Address, ""
	}
	if vault.CACert != "" || vault.ClientCert != "" || vault.TLSServerName != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{
			CACert: vault.CACert, ClientCert: vault.ClientCert, ClientKey: vault.ClientKey, TLSServerName: vault.TLSServerName,
		}); err != nil {
			return nil, err
		}
	}
	if transport, is := config.HttpClient.Transport.(*http.Transport); is {
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxIdle, maxIdle
	}
	made, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	config.HttpClient.Transport = bounded{config.HttpClient.Transport}
	if vault.Namespace != "" {
		made.SetNamespace(vault.Namespace)
	}
	if vault.TokenFile != "" {
		made.ClearToken()
	}
	return &backend{vault: made, tokenFile: vault.TokenFile, now: time.Now}, nil
}

// Signer returns a new signer for a route.
func (b *backend) Signer(route *proxy.Route) proxy.Signer {
	b.mu.Lock()
	defer b.mu.Unlock()
	made := &client.Signer{Vault: b.vault, Path: route.Path}
	b.signers = append(b.signers, made)
	return &signer{b, made}
}

// Health returns nil if Vault answers and is unsealed.
func (b *backend) Health(ctx context.Context) error {
	health, err := b.vault.Sys().HealthWithContext(ctx)
	if err == nil && (health.Sealed || !health.Initialized) {
		err = errors.New("sealed")
	}
	return err
}

// look reads the token again, unless it did so a moment ago.
func (b *backend) look() error {
	now := b.now()
	if last := b.looked.Load(); b.tokenFile == "" || last != nil && now.Sub(*last) < lookEvery {
		return nil
	}
	if err := b.refresh(); err != nil {
		return err
	}
	b.looked.Store(&now)
	return nil
}

// refresh reads the token. An Agent may be writing the file: while it cannot be read, the last token is used.
func (b *backend) refresh() error {
	b.mu.Lock() // also while it reads: else a request that read an old token could set it last
	defer b.mu.Unlock()
	content, err := os.ReadFile(b.tokenFile)
	token := strings.TrimSpace(string(content))
	if err != nil || token == "" {
		if b.token == "" {
			return &proxy.VaultError{Reason: "vault.token_file is missing, unreadable or empty"}
		}
		return nil
	}
	if token != b.token {
		b.token = token
		b.vault.SetToken(token)
		for _, signer := range b.signers {
			signer.Forget()
		}
	}
	return nil
}

// signer signs for one route.
type signer struct {
	backend *backend
	*client.Signer
}

// Sign has a call signed, with the token that is in the file. If Vault denies, and another token is there by now, it tries once more
// with that. After any failure the next call looks at the file.
func (s *signer) Sign(ctx context.Context, call proxy.Call) (*proxy.Signed, error) {
	if err := s.backend.look(); err != nil {
		return nil, err
	}
	asked := client.Call{Parameters: call.Parameters}
	if call.Rejected != nil {
		asked.Rejected, _ = call.Rejected.Origin.(*client.Signed)
	}
	used := s.backend.vault.Token()
	signed, err := s.Signer.Sign(ctx, asked)
	if denied(err) && s.backend.tokenFile != "" && s.backend.refresh() == nil && s.backend.vault.Token() != used {
		signed, err = s.Signer.Sign(ctx, asked)
	}
	if err != nil {
		s.backend.looked.Store(nil)
		return nil, explained(ctx, err)
	}
	return &proxy.Signed{
		Headers: signed.Headers, URL: signed.URL, BaseURL: signed.BaseURL, Query: signed.Query, Warnings: signed.Warnings, Origin: signed,
	}, nil
}

// Reject says that the vendor answered 401 to what Sign returned.
func (s *signer) Reject(signed *proxy.Signed) {
	if origin, is := signed.Origin.(*client.Signed); is {
		s.Signer.Reject(origin)
	}
}

func denied(err error) bool {
	answer, is := errors.AsType[*api.ResponseError](err)
	return is && answer.StatusCode == http.StatusForbidden
}

// explained is an error of Vault's client, in words that repeat nothing of the call.
func explained(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if answer, is := errors.AsType[*api.ResponseError](err); is {
		reason := "no reason given"
		if !answer.RawError && len(answer.Errors) > 0 { // the engine's and Vault's errors quote no values
			reason = strings.Join(answer.Errors, "; ")
		}
		return &proxy.VaultError{Status: answer.StatusCode, Reason: reason}
	}
	if failed, is := errors.AsType[*url.Error](err); is {
		return &proxy.VaultError{Reason: "no answer from Vault: " + proxy.Explain(failed.Err)}
	}
	return &proxy.VaultError{Reason: err.Error()}
}
