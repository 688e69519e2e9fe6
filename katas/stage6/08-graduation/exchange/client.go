// Package exchange is given: a telephone exchange somewhere outside of Kubernetes, which rents numbers, and the client that it comes with. Begin
// with [Client]; [Service] is the exchange itself, for the specs.
package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrNotFound says that nothing is rented under a reference (any more).
var ErrNotFound = errors.New("no number is rented under this reference")

// Busy says that the exchange takes no call now. It has done nothing.
type Busy struct {
	// After is how long it wants to be left alone.
	After time.Duration
}

// Error implements error.
func (b *Busy) Error() string { return fmt.Sprintf("the exchange is busy for %v", b.After) }

// Number is a number that is rented.
type Number struct {
	Number string `json:"number"`
	Area   string `json:"area"`
	// Reference is the customer's own word for the contract.
	Reference string `json:"reference"`
	// Divert is where calls go instead, or empty.
	Divert string `json:"divert,omitempty"`
}

// Client calls the exchange. Its methods may be called from several goroutines. With an error that is neither ErrNotFound nor a *Busy, nobody knows
// whether the exchange has done what it was asked for.
type Client struct {
	url, caller string
	http        *http.Client
}

// NewClient returns a client of the exchange at a URL, for a caller, whose name the exchange writes down.
func NewClient(url, caller string, client *http.Client) *Client {
	return &Client{url: strings.TrimSuffix(url, "/"), caller: caller, http: client}
}

// Rent returns the number that is rented under a reference, as it is. If there is none, Rent rents one in the area, which costs money
// until it is given back, and says that it is fresh.
func (c *Client) Rent(ctx context.Context, area, reference string) (number Number, fresh bool, err error) {
	code, err := c.call(ctx, http.MethodPost, "/numbers", Number{Area: area, Reference: reference}, &number)
	return number, code == http.StatusCreated, wrap(OpRent, reference, err)
}

// Divert sends the calls for a number somewhere else; an empty text ends that. ErrNotFound: nothing is rented under the reference.
func (c *Client) Divert(ctx context.Context, reference, to string) error {
	_, err := c.call(ctx, http.MethodPut, "/numbers/"+url.PathEscape(reference)+"/divert", Number{Divert: to}, nil)
	return wrap(OpDivert, reference, err)
}

// Release gives a number back. ErrNotFound: nothing is rented under the reference.
func (c *Client) Release(ctx context.Context, reference string) error {
	_, err := c.call(ctx, http.MethodDelete, "/numbers/"+url.PathEscape(reference), nil, nil)
	return wrap(OpRelease, reference, err)
}

func wrap(op Op, reference string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", op, reference, err)
}

const callerHeader = "X-Caller"

func (c *Client) call(ctx context.Context, method, path string, body, into any) (code int, err error) {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		payload = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, payload)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(callerHeader, c.caller)
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated:
		if into == nil {
			return response.StatusCode, nil
		}
		return response.StatusCode, json.NewDecoder(response.Body).Decode(into)
	case http.StatusNotFound:
		return response.StatusCode, ErrNotFound
	case http.StatusTooManyRequests:
		after, err := strconv.ParseFloat(response.Header.Get("X-Busy-Seconds"), 64)
		if err != nil {
			return response.StatusCode, fmt.Errorf("the exchange is busy, and does not say how long: %w", err)
		}
		return response.StatusCode, &Busy{After: time.Duration(after * float64(time.Second))}
	default:
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return response.StatusCode, fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	}
}
