// Several stacks at one address, each on a queue of one device and on a thread of its own, and one program on all.
//
//     sharded servers{{.count = 2}, stack_config<default_policies>{.address = "198.18.0.2/24"_net},
//                     tap_queues({.name = "tap0"})};
//     servers.stop_on_signals({SIGINT, SIGTERM});
//     servers.run([](auto& shard) -> task<> { ... tcp_listener listener{shard.net(), ...}; ... });
//
// Each shard (device/shard.hpp) has its own io_uring, queue, stack and coroutines: nothing is shared, so nothing is
// locked. Listeners stand on all of them. Which one has a connection follows from a keyed hash of its addresses and
// ports; frames that a queue brings to another shard are handed over (flow_owner, flow_steering). What the program has
// to say to another shard goes by its reactor's post().
//
// All have the same config, seed included: to the world they are one host, whose initial sequence numbers, SYN and Fast
// Open cookies agree. Limits of the config (connections, pools) hold for each of them.
//
// It stands in device/ since a queue is a device, decorated. Left out: moving a connection to another shard, and
// telling a TAP itself which queue is whose (docs/adr/0008).
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "tcpco/async/event.hpp"
#include "tcpco/async/scope.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/device/shard.hpp"
#include "tcpco/device/tap.hpp"
#include "tcpco/reactor/random_seed.hpp"
#include "tcpco/reactor/system_reactor.hpp"

namespace tcpco {

struct sharded_options {
    unsigned count = 0;             // shards; 0: as many as there are cpus for this process
    std::vector<int> cpus{};        // shard i runs on cpus[i % size] alone; empty: wherever the scheduler likes
    duration grace{2'000'000'000};  // for connections to come to their ends, once all programs have ended
    // Of each ring from one shard to another. 0: 256 KiB, or 1 MiB where super-frames may come: some 16 of the largest
    // frames. Memory is touched only as far as it is used.
    std::size_t handover_octets = 0;
    driver_options driver{};
    system_reactor_options reactor{};
};

// Opens one queue of a TAP for each shard. The interface must not exist without queues (IFF_MULTI_QUEUE).
inline auto tap_queues(tun_options options)
{
    options.multi_queue = true;
    return [options](std::uint32_t) { return tap::open(options); };
}

// Open: open(index) gives the device of a shard, one call at a time, on the shard's own thread. All devices are queues
// of the same thing: what one of them receives may be meant for any of the stacks.
template <class Bundle, class Open>
class sharded {
public:
    using device_type = std::invoke_result_t<Open&, std::uint32_t>;
    using shard_type = shard<Bundle, device_type>;
    static_assert(!decorated_device<device_type>, "a decorated device's own decorators would be passed over");

    // Opens nothing yet. Without a seed in the config one is drawn that nobody can guess.
    sharded(sharded_options options, stack_config<Bundle> config, Open open)
        : options_{std::move(options)}, config_{std::move(config)}, open_{std::move(open)},
          count_{options_.count != 0 ? options_.count : std::max(1U, std::thread::hardware_concurrency())}
    {
        if (!config_.seed.is_given()) {
            config_.seed = random_seed();
        }
    }
    sharded(const sharded&) = delete;
    sharded& operator=(const sharded&) = delete;

    // From the next run() on: the first of these signals is stop(), each further one resets all connections.
    void stop_on_signals(std::initializer_list<int> signals) { signals_.assign(signals); }

    // Makes all shards (the first on this thread), starts application(shard) on each, and returns when all of them
    // have ended, their connections are closed, and the threads have gone. A shard whose application returns early goes
    // on turning for the others. The application is one object, which all threads call: what it captures it shares.
    //
    // True: no connection had to be reset, and no second signal asked for it. An exception, of an application or of
    // making a shard, stops all; the first is rethrown at the end. Not to be called twice at a time.
    template <class Application>
        requires std::same_as<std::invoke_result_t<Application&, shard_type&>, task<>>
    bool run(Application application)
    {
        begin();
        auto first = std::make_unique<system_reactor>(options_.reactor);
        if (!signals_.empty()) {
            first->underlying().stop_on_signals(signals_);  // before there are threads: they inherit the mask
        }
        std::vector<std::thread> threads;
        try {
            threads.reserve(count_ - 1);
            while (threads.size() + 1 < count_) {
                threads.emplace_back([this, &application, index = static_cast<std::uint32_t>(threads.size() + 1)] {
                    live(index, application, nullptr);
                });
            }
        } catch (...) {
            fail();
            startup_failed_ = true;
            const auto missing = static_cast<std::ptrdiff_t>(count_ - 1 - threads.size());
            made_->count_down(missing);
            joined_->count_down(missing);
            over_->count_down(missing);
        }
        live(0, application, std::move(first));
        for (std::thread& t : threads) {
            t.join();
        }
        stop_requested_ = false;
        if (failure_) {
            std::rethrow_exception(std::exchange(failure_, nullptr));
        }
        return graceful_;
    }

    // Requests a stop of all applications, from any thread. Before run(): of the next one.
    void stop() noexcept
    {
        const std::lock_guard lock{mutex_};
        stop_requested_ = true;
        tell_all_locked([](member& m) { m.self.reactor().stop(); });
    }

    unsigned count() const noexcept { return count_; }
    // Of the last run(), when it is over; one for each shard. While it runs, each shard knows its own.
    const std::vector<shard_counters>& counters() const noexcept { return counters_; }
    shard_counters total() const noexcept
    {
        shard_counters sum;
        for (const shard_counters& c : counters_) {
            sum += c;
        }
        return sum;
    }

private:
    // A shard, and how it stands with the others. As a participant it hears of the impatient stop.
    struct member final : turn_participant {
        member(sharded& s, system_reactor& reactor, const stack_config<Bundle>& config)
            : all{s}, self{reactor, s.open_(config.owner.index()), config, s.options_.driver}
        {
            reactor.add(*this);
        }
        ~member() override { self.reactor().remove(*this); }
        void collect(time_point) override {}
        void after_applications(time_point) override {}
        time_point deadline() const noexcept override { return time_point::never(); }
        void abort_all(time_point) override
        {
            if (!told_to_abort) {
                all.abort_everywhere();
            }
        }

        sharded& all;
        shard_type self;
        async_event programs_over;
        async_event never;
        bool ended = false;    // its application has
        bool closing = false;  // all applications have
        bool over = false;     // and all connections
        bool told_to_abort = false;  // by a signal that came to another shard, or to this one
    };

    void begin()
    {
        const std::lock_guard lock{mutex_};
        members_.assign(count_, nullptr);
        counters_.assign(count_, {});
        rings_.clear();
        rings_.resize(std::size_t{count_} * count_);
        made_.emplace(count_);
        joined_.emplace(count_);
        over_.emplace(count_);
        running_ = count_;
        open_shards_ = count_;
        graceful_ = true;
        startup_failed_ = false;
    }

    // The life of a thread. Nobody turns before all are made, and nobody goes before all have come to their ends.
    template <class Application>
    void live(std::uint32_t index, Application& application, std::unique_ptr<system_reactor> reactor) noexcept
    {
        std::unique_ptr<member> m;
        std::optional<detail::cpu_pin> pin;
        const auto prepare = [&] {
            if (!options_.cpus.empty()) {
                pin.emplace(options_.cpus[index % options_.cpus.size()]);  // first: memory is taken from where it runs
            }
            m = make(index, reactor);
        };
        if (!attempt(prepare)) {
            startup_failed_ = true;
        }
        made_->arrive_and_wait();
        if (!startup_failed_ && !attempt([&] { join(*m); })) {
            startup_failed_ = true;
        }
        joined_->arrive_and_wait();
        if (!startup_failed_) {
            conduct(*m, application);
        }
        over_->arrive_and_wait();
        if (m != nullptr) {
            const std::lock_guard lock{mutex_};  // no post() may be under way when a reactor ends
            members_[index] = nullptr;
            counters_[index] = m->self.counters();
        }
    }

    std::unique_ptr<member> make(std::uint32_t index, std::unique_ptr<system_reactor>& reactor)
    {
        if (reactor == nullptr) {
            reactor = std::make_unique<system_reactor>(options_.reactor);
        }
        stack_config<Bundle> config = config_;
        config.owner = flow_owner{config.seed, index, count_};
        const std::lock_guard lock{mutex_};
        auto m = std::make_unique<member>(*this, *reactor, config);
        const std::size_t largest = m->self.device().max_frame();
        const std::size_t usual = largest > 16'384 ? std::size_t{1} << 20 : std::size_t{256} << 10;
        for (std::uint32_t to = 0; to < count_; ++to) {
            if (to != index) {
                ring(index, to) = std::make_unique<handover_ring>(
                    std::max(options_.handover_octets != 0 ? options_.handover_octets : usual, 4 * largest));
            }
        }
        members_[index] = m.get();
        return m;
    }

    void join(member& m)
    {
        const std::uint32_t own = m.self.index();
        for (std::uint32_t other = 0; other < count_; ++other) {
            if (other != own) {
                linux_reactor& there = members_[other]->self.reactor().underlying();
                m.self.steering().join(other, *ring(own, other), *ring(other, own),
                                       m.self.reactor().underlying().doorbell_to(there));
            }
        }
    }

    // Each phase ends for all at the same time, since frames for one shard may arrive at any of them.
    template <class Application>
    void conduct(member& m, Application& application)
    {
        system_reactor& reactor = m.self.reactor();
        attempt([&] {
            if (stop_requested_) {
                reactor.stop();
            }
            reactor.run(with_scope(&sharded::main_of<Application>, std::ref(m), std::ref(application)));
        });
        end_program(m);  // where the reactor itself has failed
        attempt([&] {
            while (!m.closing) {
                reactor.turn(duration::max());
            }
            if (!m.self.link().close_all(options_.grace)) {
                graceful_ = false;
            }
        });
        if (--open_shards_ == 0) {
            tell_all([](member& each) { each.over = true; });
        }
        attempt([&] {
            while (!m.over) {
                reactor.turn(duration::max());
            }
            m.self.steering().leave();
            reactor.turn();  // hears what became of the last doorbells
        });
    }

    // A stop of this reactor (by a signal, say) is a stop of all.
    static task<> pass_stop_on(member& m)
    {
        static_cast<void>(co_await m.never.wait());
        if (!m.closing) {
            m.all.stop();
        }
    }

    template <class Application>
    static task<> main_of(scope& s, member& m, Application& application)
    {
        s.spawn(&sharded::pass_stop_on, std::ref(m));
        try {
            co_await application(m.self);
        } catch (...) {
            m.all.fail();
            m.all.stop();
        }
        m.all.end_program(m);
        static_cast<void>(co_await m.programs_over.wait());
        s.request_stop();
    }

    void end_program(member& m)
    {
        if (!std::exchange(m.ended, true) && --running_ == 0) {
            tell_all([](member& each) {
                each.closing = true;
                each.programs_over.set();
            });
        }
    }

    // False: it threw, which ends all.
    template <class F>
    bool attempt(F f) noexcept
    {
        try {
            f();
            return true;
        } catch (...) {
            fail();
            stop();
            return false;
        }
    }

    // The exception in hand; the first one counts.
    void fail() noexcept
    {
        const std::lock_guard lock{mutex_};
        if (!failure_) {
            failure_ = std::current_exception();
        }
    }

    void abort_everywhere()
    {
        graceful_ = false;
        tell_all([](member& m) {
            m.told_to_abort = true;
            m.self.reactor().abort_all();
            m.told_to_abort = false;
        });
    }

    template <class F>
    void tell_all(F f)
    {
        const std::lock_guard lock{mutex_};
        tell_all_locked(f);
    }
    template <class F>
    void tell_all_locked(F f)
    {
        for (member* m : members_) {
            if (m != nullptr) {
                m->self.reactor().post([m, f] { f(*m); });
            }
        }
    }

    std::unique_ptr<handover_ring>& ring(std::uint32_t from, std::uint32_t to) noexcept
    {
        return rings_[std::size_t{from} * count_ + to];
    }

    sharded_options options_;
    stack_config<Bundle> config_;
    Open open_;
    unsigned count_;
    std::vector<int> signals_;
    std::vector<shard_counters> counters_;
    std::vector<std::unique_ptr<handover_ring>> rings_;  // from * count + to
    std::mutex mutex_;  // of what follows, up to failure_
    std::vector<member*> members_;
    std::exception_ptr failure_;
    std::optional<std::latch> made_;
    std::optional<std::latch> joined_;
    std::optional<std::latch> over_;
    std::atomic<unsigned> running_{0};      // applications that have not ended
    std::atomic<unsigned> open_shards_{0};  // shards with connections
    std::atomic<bool> startup_failed_{false};  // settled when joined_ is over: then nobody begins
    std::atomic<bool> stop_requested_{false};
    std::atomic<bool> graceful_{true};
};

}  // namespace tcpco
