package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// backend is Vault, by package client.
type backend struct {
	vault     *api.Client
	tokenFile string // "": the token does not change
	unwrapper *unwrapper

	now    func() time.Time
	looked atomic.Pointer[time.Time] // when the token's file was last read; nil: the next call must read it

	mu      sync.Mutex
	token   string // what was last read from the file
	signers []*client.Signer
}

const (
	// maxIdle is how many connections to Vault are kept. Vault's client keeps one more than there are processors, and
	// opens one for each further call that is signed at the same time.
	maxIdle = 256
	// lookEvery is how long the token's file is not read again, unless a call fails. Looking at it for each call costs a
	// call to a vendor nearby two percent of its time.
	lookEvery = 100 * time.Millisecond
)

// connect makes a client of what the file says, and of the environment where the file is silent.
func connect(vault proxy.Vault, unwrapper *unwrapper) (*backend, error) {
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
	return &backend{vault: made, tokenFile: vault.TokenFile, unwrapper: unwrapper, now: time.Now}, nil
}

// Signer returns a new signer for a route.
func (b *backend) Signer(route *proxy.Route, batched func(calls int)) signing.Signer {
	b.mu.Lock()
	defer b.mu.Unlock()
	made := &client.Signer{Vault: b.vault, Path: route.Path, Batched: batched}
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

// look reads the token again, unless it did so a moment ago. An Agent may be writing the file, or Vault may be down
// when a token must be unwrapped: until there is another token, the last is used.
func (b *backend) look(ctx context.Context) error {
	now := b.now()
	if last := b.looked.Load(); b.tokenFile == "" || last != nil && now.Sub(*last) < lookEvery {
		return nil
	}
	if b.vault.Token() != "" {
		_, _ = b.refresh()
	} else if err := b.renew(ctx); err != nil {
		return err
	}
	b.looked.Store(&now)
	return nil
}

// renew reads the token, and waits until it is unwrapped, where it must be.
func (b *backend) renew(ctx context.Context) error {
	for {
		underWay, err := b.refresh()
		if underWay == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-underWay.done:
		}
	}
}

// refresh reads the token. It returns an unwrapping that is under way, after which it must read again.
func (b *backend) refresh() (*unwrapping, error) {
	b.mu.Lock() // also while it reads: else a request that read an old token could set it last
	defer b.mu.Unlock()
	content, _ := os.ReadFile(b.tokenFile) // without content, it says so
	found, err := parseToken(content)
	if err != nil {
		return nil, err
	}
	token := found.text
	if found.wraps {
		unwrapping := b.unwrapper.unwrap(b.vault, found.text)
		if !unwrapping.ended() {
			return unwrapping, nil
		}
		if unwrapping.err != nil {
			return nil, unwrapping.err
		}
		token = unwrapping.token
	}
	if token != b.token {
		b.token = token
		b.vault.SetToken(token)
		for _, signer := range b.signers {
			signer.Forget()
		}
	}
	return nil, nil //nolint:nilnil // nothing is under way
}

// signer signs for one route.
type signer struct {
	backend *backend
	*client.Signer
}

// Sign has a call signed, with the token that is in the file. If Vault denies, and another token is there by now, it
// tries once more with that. After any failure the next call looks at the file.
func (s *signer) Sign(ctx context.Context, call client.Call) (*client.Signed, error) {
	if err := s.backend.look(ctx); err != nil {
		return nil, err
	}
	used := s.backend.vault.Token()
	signed, err := s.Signer.Sign(ctx, call)
	if err == nil {
		return signed, nil
	}
	var noOther error // why there is no other token
	if s.backend.tokenFile != "" && client.Explain(err).Denied() {
		if noOther = s.backend.renew(ctx); s.backend.vault.Token() != used {
			if signed, err = s.Signer.Sign(ctx, call); err == nil {
				return signed, nil
			}
		}
	}
	s.backend.looked.Store(nil)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	failed := client.Explain(err)
	if failed.Status != 0 && noOther != nil {
		failed.Reason += "; " + noOther.Error()
	}
	return nil, failed
}
