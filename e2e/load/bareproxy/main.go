// Command bareproxy is a reverse proxy that does not sign: the benchmark of apisig-proxy compares against it. Its
// arguments are the address that it listens on, the URL that it sends requests to, and a prefix that it takes off their
// paths. It puts into each the headers that it reads from standard input, as JSON. Its server, transport and buffers
// are as those of apisig-proxy.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "bareproxy:", err)
		os.Exit(1)
	}
}

func run(address, target, prefix string) error {
	var headers map[string]string
	if err := json.NewDecoder(os.Stdin).Decode(&headers); err != nil {
		return err
	}
	to, err := url.Parse(target)
	if err != nil {
		return err
	}
	rewrite := func(pr *httputil.ProxyRequest) {
		pr.Out.URL.Path = strings.TrimPrefix(pr.Out.URL.Path, prefix)
		pr.SetURL(to)
		for name, value := range headers {
			pr.Out.Header.Set(name, value)
		}
	}
	bare := &httputil.ReverseProxy{Transport: proxy.NewTransport(), BufferPool: &proxy.Buffers{}, Rewrite: rewrite}
	server := &http.Server{
		Addr:              address,
		Handler:           bare,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	return server.ListenAndServe()
}
