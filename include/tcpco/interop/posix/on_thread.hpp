// A stack with a thread of its own, for programs whose threads block in calls.
//
//     posix::stack<> net{{.address = "198.18.0.2/24"_net}, tap::open({.name = "tap0"})};
//     int fd = net->socket(AF_INET, SOCK_STREAM);
//
// io_uring wants one thread to make, drive and destroy a ring. So `on_thread<World>` makes the reactor and the world on
// its thread, and destroys them there; everything between comes through the hosts that the world holds.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "tcpco/async/driver.hpp"
#include "tcpco/device/tap.hpp"
#include "tcpco/interop/posix/host.hpp"
#include "tcpco/reactor/random_seed.hpp"
#include "tcpco/reactor/system_reactor.hpp"
#include "tcpco/stack/basic_stack.hpp"

namespace tcpco::posix {

// Whatever lives on one reactor: made as World{reactor, arguments...}.
template <class World, class Reactor = system_reactor>
class on_thread {
public:
    // Returns when the world is made; throws what its constructor throws.
    template <class... Arguments>
    explicit on_thread(Arguments&&... arguments)
        : thread_{[&] { run([&](Reactor& r) { return World{r, std::forward<Arguments>(arguments)...}; }); }}
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [this] { return world_ != nullptr || failure_; });
        if (failure_) {
            lock.unlock();
            thread_.join();
            std::rethrow_exception(failure_);
        }
    }
    on_thread(const on_thread&) = delete;
    on_thread& operator=(const on_thread&) = delete;
    // Ends the world. No call may begin any more; those that wait fail with EBADF.
    ~on_thread()
    {
        reactor_->post([this] { stop_ = true; });
        {
            // Only now: post() wakes the reactor after it has handed the function over, which may have run by then.
            const std::lock_guard lock{mutex_};
            posted_ = true;
            changed_.notify_one();
        }
        thread_.join();
    }

    // Its hosts may be called from any thread but its own; nothing else of it may be touched.
    World& world() noexcept { return *world_; }

private:
    template <class Make>
    void run(Make&& make)
    {
        std::optional<Reactor> reactor;
        try {
            reactor.emplace();
            World world = make(*reactor);
            tell(&*reactor, &world);
            while (!stop_) {
                reactor->turn(duration::max());
            }
            std::unique_lock lock{mutex_};
            changed_.wait(lock, [this] { return posted_; });
        } catch (...) {
            if (world_ != nullptr) {
                std::terminate();  // nobody is left who could be told
            }
            const std::lock_guard lock{mutex_};
            failure_ = std::current_exception();
            changed_.notify_one();
        }
    }
    void tell(Reactor* reactor, World* world)
    {
        const std::lock_guard lock{mutex_};
        reactor_ = reactor;
        world_ = world;
        changed_.notify_one();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::exception_ptr failure_;
    Reactor* reactor_ = nullptr;
    World* world_ = nullptr;
    bool posted_ = false;
    bool stop_ = false;  // the thread's own
    std::thread thread_;
};

// The config with a seed: if it has none, one that nobody can guess.
template <class Bundle>
stack_config<Bundle> seeded(stack_config<Bundle> config)
{
    if (!config.seed.is_given()) {
        config.seed = random_seed();
    }
    return config;
}

// One stack on one device.
template <class Bundle = default_policies, class Device = tap>
struct machine {
    machine(system_reactor& reactor, const stack_config<Bundle>& config, Device&& d, const host_options& options,
            duration g)
        : device{std::move(d)}, net{seeded(config)}, link{net, device, reactor}, grace{g}
    {
        sockets.emplace(net, reactor.get_executor(), options);
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine()
    {
        sockets.reset();
        link.close_all(grace);
    }

    Device device;
    basic_stack<Bundle> net;
    driver<basic_stack<Bundle>, Device, system_reactor> link;
    duration grace;
    std::optional<host> sockets;
};

// A stack, its device and a system_reactor on a thread of their own; `->` is its host. Without a seed in its config the
// stack gets a random one. Destroying it closes what is
// open, gives the connections `grace` to come to their ends, and resets the rest.
template <class Bundle = default_policies, class Device = tap>
class stack {
public:
    stack(const stack_config<Bundle>& config, Device device, const host_options& options = {},
          duration grace = duration{2'000'000'000})
        : thread_{config, std::move(device), options, grace}
    {
    }

    host* operator->() noexcept { return &*thread_.world().sockets; }
    host& operator*() noexcept { return *thread_.world().sockets; }

private:
    on_thread<machine<Bundle, Device>> thread_;
};

}  // namespace tcpco::posix
