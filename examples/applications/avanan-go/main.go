// Command avanan-go calls Avanan. Vault signs the call: the transport does the rest.
//
//	export VAULT_ADDR=https://vault.example.com:8200 VAULT_TOKEN=...
//	avanan-go 'https://smart-api-production-1-us.avanan.net/v1.0/scopes'
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/client"
)

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
	httpClient := http.Client{Transport: &client.Transport{Vault: vault, Path: "apisig/sign/avanan/us"}}
	response, err := httpClient.Get(url)
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
