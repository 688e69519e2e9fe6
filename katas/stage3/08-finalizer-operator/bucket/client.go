// Package bucket is given: a storage service somewhere outside of Kubernetes, and the client that it comes with. Begin with
// [Client]; [Service] is the service itself, for the specs and the program.
package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// What the service says no with. Anything else that a call returns is a failure, of which nobody knows whether the service has done
// what it was asked for.
var (
	// ErrTaken: a bucket of that name is somebody else's.
	ErrTaken = errors.New("the name is taken")
	// ErrNotFound: the owner has no bucket of that name.
	ErrNotFound = errors.New("there is no such bucket")
	// ErrNotEmpty: there are objects in the bucket.
	ErrNotEmpty = errors.New("the bucket is not empty")
)

// Bucket is a bucket as the service has it.
type Bucket struct {
	// Name is unique in the service, whoever the owner is.
	Name string `json:"name"`
	// Owner is any text. Who names the same owner is the same customer.
	Owner  string `json:"owner"`
	Region string `json:"region"`
	Quota  int64  `json:"quota"`
	// Objects is how many are in it.
	Objects int64 `json:"objects"`
}

// Client calls the service. Its methods may be called from several goroutines. Each error names the call, the bucket and the number of
// the request, by which the service's operators find it in their logs.
type Client struct {
	url  string
	http *http.Client
}

// NewClient returns a client of the service at a URL.
func NewClient(url string, client *http.Client) *Client {
	return &Client{url: strings.TrimSuffix(url, "/"), http: client}
}

// Create makes a bucket, and returns it. If the owner has a bucket of that name already, Create returns that one, as it is,
// and changes nothing: it may be called again when nobody knows whether the first call has got through. ErrTaken: the name is
// somebody else's.
func (c *Client) Create(ctx context.Context, want Bucket) (Bucket, error) {
	var got Bucket
	err := c.call(ctx, http.MethodPost, "/buckets", want, &got)
	return got, wrap(OpCreate, want.Name, err)
}

// SetQuota changes the quota of an owner's bucket. ErrNotFound: the owner has none of that name.
func (c *Client) SetQuota(ctx context.Context, name, owner string, quota int64) error {
	err := c.call(ctx, http.MethodPut, "/buckets/"+url.PathEscape(name)+"/quota", Bucket{Owner: owner, Quota: quota}, nil)
	return wrap(OpSetQuota, name, err)
}

// Delete removes an owner's bucket; with force also one that has something in it, else that is ErrNotEmpty. ErrNotFound: the owner has
// none of that name (any more).
func (c *Client) Delete(ctx context.Context, name, owner string, force bool) error {
	query := url.Values{"owner": {owner}}
	if force {
		query.Set("force", "true")
	}
	return wrap(OpDelete, name, c.call(ctx, http.MethodDelete, "/buckets/"+url.PathEscape(name)+"?"+query.Encode(), nil, nil))
}

func wrap(op Op, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s bucket %s: %w", op, name, err)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return refusal(resp.StatusCode, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

// failure is the body of an answer that is none.
type failure struct {
	Request int    `json:"request"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func refusal(status int, data []byte) error {
	var f failure
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("the service answers %d", status)
	}
	for code, err := range codes {
		if code == f.Code {
			return fmt.Errorf("request %d: %w", f.Request, err)
		}
	}
	return fmt.Errorf("request %d: %s", f.Request, f.Message)
}

var codes = map[string]error{"NameTaken": ErrTaken, "NoSuchBucket": ErrNotFound, "BucketNotEmpty": ErrNotEmpty}
