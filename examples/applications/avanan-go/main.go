// Command avanan-go calls Avanan, signed by Vault, with an http.Client whose transport does the signing.
//
//	VAULT_ADDR=https://vault.example.com:8200 VAULT_TOKEN=... avanan-go 'https://smart-api-production-1-us.avanan.net/v1.0/scopes'
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/hashicorp/vault/api"
)

// signer is a transport that has each request signed by Vault: its path and query, which nothing may change after.
type signer struct {
	vault *api.Client
	next  http.RoundTripper
}

// RoundTrip sends a request with its headers, and once more with new ones where Avanan answers 401: its JWT may have
// just ended. A request whose body can't be sent twice is sent once.
func (s signer) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.attempt(request)
	if err != nil || response.StatusCode != http.StatusUnauthorized || (request.Body != nil && request.GetBody == nil) {
		return response, err
	}
	_ = response.Body.Close()
	again := request.Clone(request.Context())
	if request.GetBody != nil {
		if again.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	return s.attempt(again)
}

func (s signer) attempt(request *http.Request) (*http.Response, error) {
	answer, err := s.vault.Logical().WriteWithContext(request.Context(), "apisig/sign/avanan/us", map[string]any{
		"request_string": request.URL.RequestURI(),
	})
	if err != nil {
		return nil, err
	}
	headers, is := answer.Data["headers"].(map[string]any)
	if !is {
		return nil, errors.New("the answer of Vault has no headers")
	}
	signed := request.Clone(request.Context())
	for name, value := range headers {
		signed.Header.Set(name, fmt.Sprint(value))
	}
	return s.next.RoundTrip(signed)
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url string) error {
	vault, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		return err
	}
	client := http.Client{Transport: signer{vault: vault, next: http.DefaultTransport}}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
