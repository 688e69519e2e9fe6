package cycle

import (
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

// State is the CycleState of one pod.
type State struct {
	fwk.CycleState // what is about groups of pods and metrics is not there

	data       sync.Map
	skipFilter sets.Set[string]
}

// NewState returns an empty state.
func NewState() *State { return &State{} }

// Read implements [fwk.CycleState].
func (s *State) Read(key fwk.StateKey) (fwk.StateData, error) {
	if value, ok := s.data.Load(key); ok {
		return value.(fwk.StateData), nil
	}
	return nil, fwk.ErrNotFound
}

// Write implements [fwk.CycleState].
func (s *State) Write(key fwk.StateKey, value fwk.StateData) { s.data.Store(key, value) }

// Delete implements [fwk.CycleState].
func (s *State) Delete(key fwk.StateKey) { s.data.Delete(key) }

// Clone implements [fwk.CycleState].
func (s *State) Clone() fwk.CycleState {
	c := &State{skipFilter: s.skipFilter}
	s.data.Range(func(key, value any) bool {
		c.data.Store(key, value.(fwk.StateData).Clone())
		return true
	})
	return c
}

// GetSkipFilterPlugins implements [fwk.CycleState].
func (s *State) GetSkipFilterPlugins() sets.Set[string] { return s.skipFilter }

// SetSkipFilterPlugins implements [fwk.CycleState].
func (s *State) SetSkipFilterPlugins(plugins sets.Set[string]) { s.skipFilter = plugins }

// ShouldRecordPluginMetrics implements [fwk.CycleState].
func (s *State) ShouldRecordPluginMetrics() bool { return false }

// IsPodGroupSchedulingCycle implements [fwk.CycleState].
func (s *State) IsPodGroupSchedulingCycle() bool { return false }
