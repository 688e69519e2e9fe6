package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// client speaks HTTP to the lab's API server with its administrator's certificate. It is not client-go, which would make
// every command of the workbook start half a second later.
func (h home) client() (*http.Client, error) {
	pki := filepath.Join(h.cluster(), "pki")
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the lab's certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("the lab's ca.crt holds no certificate")
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("read the lab's certificates: %w", err)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
		DisableKeepAlives: true,
		Proxy:             nil, // never through a proxy: it is on loopback
	}}, nil
}

// ready asks the API server until it is ready, at most for bound.
func (h home) ready(ctx context.Context, server string, bound time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("the API server does not answer"))
	defer cancel()
	c, err := h.client()
	if err != nil {
		return err
	}
	return poll(ctx, func() error { return call(ctx, c, http.MethodGet, server+"/readyz", "", nil) })
}

// permanent is an error that no waiting mends.
type permanent struct{ error }

// poll calls until there is no error, a permanent one, or ctx ends. The error is the last one, with why the wait ended.
func poll(ctx context.Context, try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		var p permanent
		if err == nil || errors.As(err, &p) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// call makes a request, and decodes the answer into out unless that is nil. A 409 is a success: what was to be made is
// there.
func call(ctx context.Context, c *http.Client, method, url, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusConflict {
		return fmt.Errorf("%s %s: %s: %.200s", method, req.URL.Path, resp.Status, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// node is a simulated node, which the annotation gives to KWOK. The taint that kwokctl's own scale command sets is left
// out: pods are to land there without a toleration.
const node = `{"apiVersion":"v1","kind":"Node","metadata":{"name":%q,
"annotations":{"kwok.x-k8s.io/node":"fake","node.alpha.kubernetes.io/ttl":"0"},
"labels":{"kubernetes.io/hostname":%q,"kubernetes.io/os":"linux","kubernetes.io/arch":"amd64","type":"kwok","node-role.kubernetes.io/worker":""}},
"status":{"allocatable":{"cpu":"32","memory":"256Gi","pods":"110"},"capacity":{"cpu":"32","memory":"256Gi","pods":"110"}}}`

// makeNodes creates the nodes and waits until all are ready and the controllers work: a namespace without its default
// ServiceAccount would refuse pods.
func (h home) makeNodes(ctx context.Context, server string) error {
	c, err := h.client()
	if err != nil {
		return err
	}
	for i := range Nodes {
		name := fmt.Sprintf("node-%d", i)
		if err := poll(ctx, func() error {
			if err := h.alive(); err != nil {
				return err
			}
			return call(ctx, c, http.MethodPost, server+"/api/v1/nodes", fmt.Sprintf(node, name, name), nil)
		}); err != nil {
			return err
		}
	}
	return poll(ctx, func() error {
		if err := h.alive(); err != nil {
			return err
		}
		return nodesReady(ctx, c, server)
	})
}

// alive returns a permanent error when a component has died: kwokctl has started them all, and restarts none.
func (h home) alive() error {
	running, err := h.processes()
	if err != nil {
		return err
	}
	if dead := missing(running); len(dead) > 0 {
		return permanent{fmt.Errorf("%s died at the start", strings.Join(dead, ", "))}
	}
	return nil
}

func nodesReady(ctx context.Context, c *http.Client, server string) error {
	var list struct {
		Items []struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := call(ctx, c, http.MethodGet, server+"/api/v1/nodes", "", &list); err != nil {
		return err
	}
	ready := 0
	for _, n := range list.Items {
		for _, cond := range n.Status.Conditions {
			if cond.Type == "Ready" && cond.Status == "True" {
				ready++
			}
		}
	}
	if ready < Nodes {
		return fmt.Errorf("%d of %d nodes are ready", ready, Nodes)
	}
	if err := call(ctx, c, http.MethodGet, server+"/api/v1/namespaces/default/serviceaccounts/default", "", nil); err != nil {
		return err
	}
	return call(ctx, c, http.MethodGet, server+"/readyz", "", nil)
}
