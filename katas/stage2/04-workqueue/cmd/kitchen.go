package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/util/workqueue"

	kata "github.com/kubekata/kubekata/katas/stage2/04-workqueue"
)

// kitchen works on orders, which are ConfigMaps.
type kitchen struct {
	queue     workqueue.TypedRateLimitingInterface[string]
	processor *kata.Processor
	orders    corev1.ConfigMapInterface
	board     *board
	bake      time.Duration
	open      time.Duration

	mu    sync.Mutex
	tries map[string]int
}

// handle reads the order, bakes, and writes down that it did.
func (k *kitchen) handle(ctx context.Context, pizza string) error {
	lane := k.board.begin(pizza)
	err := k.make(ctx, pizza)
	k.board.end(lane, pizza, verdict(err))
	return err
}

func (k *kitchen) make(ctx context.Context, pizza string) error {
	order, err := k.orders.Get(ctx, pizza, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := until(ctx, k.bake); err != nil {
		return err
	}
	if err := k.mishap(pizza); err != nil {
		return err
	}
	if order.Annotations == nil {
		order.Annotations = map[string]string{}
	}
	order.Annotations["baked"] = time.Now().Format(time.TimeOnly)
	_, err = k.orders.Update(ctx, order, metav1.UpdateOptions{})
	return err
}

// mishap says what goes wrong: hawaii twice, calzone each time.
func (k *kitchen) mishap(pizza string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tries[pizza]++
	switch {
	case pizza == "hawaii" && k.tries[pizza] <= 2:
		return errors.New("burnt")
	case pizza == "calzone":
		return errors.New("fell apart")
	}
	return nil
}

func (k *kitchen) gaveUp(pizza string, err error) {
	k.board.say(fmt.Sprintf("%s is given up: %v", pizza, err))
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "done"
	case apierrors.IsNotFound(err):
		return "not found"
	case apierrors.IsConflict(err):
		return "conflict: the order has changed"
	}
	return err.Error()
}

// board shows what each cook works on, a line for each change.
type board struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	lanes []string
}

// laneWidth is the width of a cook's column.
const laneWidth = 13

func newBoard(out io.Writer, cooks int) *board {
	return &board{out: out, start: time.Now(), lanes: make([]string, cooks)}
}

func (b *board) heading() {
	fmt.Fprint(b.out, "seconds  ")
	for n := range b.lanes {
		fmt.Fprintf(b.out, "%-*s", laneWidth, fmt.Sprintf("cook %d", n+1))
	}
	fmt.Fprintln(b.out)
	b.start = time.Now()
}

// begin puts the pizza into the first free lane, and returns which one. There is always one, unless there are more Handles
// than workers.
func (b *board) begin(pizza string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	lane := 0
	for lane < len(b.lanes) && b.lanes[lane] != "" {
		lane++
	}
	if lane == len(b.lanes) {
		b.lanes = append(b.lanes, "")
	}
	b.lanes[lane] = pizza
	b.line("")
	return lane
}

func (b *board) end(lane int, pizza, verdict string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lanes[lane] = ""
	b.line(pizza + ": " + verdict)
}

func (b *board) say(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.line(text)
}

func (b *board) line(text string) {
	line := fmt.Sprintf("%7.2f  ", time.Since(b.start).Seconds())
	for _, pizza := range b.lanes {
		if pizza == "" {
			pizza = "·"
		}
		line += fmt.Sprintf("%-*s", laneWidth, pizza)
	}
	fmt.Fprintln(b.out, strings.TrimRight(line+text, " "))
}
