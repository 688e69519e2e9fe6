// Command prioritize serves the learner's extender on loopback, and asks it what kube-scheduler asks, with the prices of a day: make run KATA=prioritize.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"

	prioritize "github.com/kubekata/kubekata/katas/stage5/03-prioritize"
)

// zones are where the nodes are.
var zones = map[string]string{"a": "south", "b": "north", "c": "west", "d": "east"}

// day has the prices of some hours. In the last one the market does not answer.
var day = []struct {
	hour   string
	prices map[string]int64
}{
	{"04:00", map[string]int64{"south": 180, "north": -20, "west": 40, "east": 70}},
	{"13:00", map[string]int64{"south": -35, "north": 60, "west": 60}},
	{"19:00", map[string]int64{"south": 90, "north": 90, "west": 90, "east": 90}},
	{"23:00", nil},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	nodes := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	for name, zone := range zones {
		if err := nodes.Add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone}}}); err != nil {
			return err
		}
	}
	var prices map[string]int64
	market := func() (map[string]int64, error) {
		if prices == nil {
			return nil, errors.New("the market does not answer")
		}
		return prices, nil
	}
	extender := &prioritize.Extender{
		Nodes:    corelisters.NewNodeLister(nodes),
		Criteria: []prioritize.Criterion{{Name: "price", Label: corev1.LabelTopologyZone, Weight: 1, Table: market}},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	failed := func(err error) { fmt.Fprintf(out, "  our log: %v\n", err) }
	server := &http.Server{Handler: prioritize.NewHandler(extender.Prioritize, 1<<20, failed), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { err = errors.Join(err, server.Close()) }()
	for _, now := range day {
		prices = now.prices
		fmt.Fprintln(out, now.hour)
		list, err := ask(ctx, out, "http://"+listener.Addr().String()+"/prioritize")
		if err != nil {
			fmt.Fprintf(out, "  the scheduler, at level 5 of its log: %v\n", err)
		}
		if err := show(out, now.prices, list); err != nil {
			return err
		}
	}
	return nil
}

// ask is what HTTPExtender.Prioritize does.
func ask(ctx context.Context, out io.Writer, url string) (extenderv1.HostPriorityList, error) {
	names := slices.Sorted(maps.Keys(zones))
	body, err := json.Marshal(extenderv1.ExtenderArgs{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, NodeNames: &names})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "  POST /prioritize → %s %s\n", answer.Status, strings.TrimSpace(string(text)))
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("failed prioritize with extender at URL …/prioritize, code %v", answer.StatusCode)
	}
	var list extenderv1.HostPriorityList
	return list, json.Unmarshal(text, &list)
}

// affinity are the points of NodeAffinity, with its weight 2, for a pod that would rather be on node a.
var affinity = map[string]int64{"a": 200}

// show does what prioritizeNodes does with the list.
func show(out io.Writer, prices map[string]int64, list extenderv1.HostPriorityList) error {
	ours := map[string]int64{}
	for _, p := range list {
		ours[p.Host] += p.Score
	}
	weights := []int64{1, 3}
	totals, best := map[int64]map[string]int64{}, map[int64]int64{}
	for _, weight := range weights {
		totals[weight] = map[string]int64{}
		for node := range zones {
			totals[weight][node] = affinity[node] + ours[node]*weight*(fwk.MaxNodeScore/extenderv1.MaxExtenderPriority)
			best[weight] = max(best[weight], totals[weight][node])
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  node\tzone\tprice\tour score\tNodeAffinity\ttotal, weight 1\ttotal, weight 3")
	for _, node := range slices.Sorted(maps.Keys(zones)) {
		price := "?"
		if p, ok := prices[zones[node]]; ok {
			price = fmt.Sprint(p)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t%d", node, zones[node], price, ours[node], affinity[node])
		for _, weight := range weights {
			mark := ""
			if totals[weight][node] == best[weight] {
				mark = " ←"
			}
			fmt.Fprintf(w, "\t%d%s", totals[weight][node], mark)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
