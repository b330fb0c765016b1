// A call that may wait, on a thread of its own which never runs at the same time as the script's: one of the two has
// the turn, so that a world of virtual time stays a function of its inputs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace tcpco_test::drill {

class waiting_call {
public:
    waiting_call() = default;
    waiting_call(const waiting_call&) = delete;
    waiting_call& operator=(const waiting_call&) = delete;
    ~waiting_call() { give_up(); }

    // --- the script's thread -----------------------------------------------------------------------------------------

    // Runs `call` until it is over or waits.
    void begin(std::function<void()> call)
    {
        give_up();
        over_ = given_up_ = false;
        thread_ = std::thread{[this, call = std::move(call)] {
            take_turn(party::call);
            call();
            const std::lock_guard lock{mutex_};
            over_ = true;
            has_turn_ = party::script;
            changed_.notify_all();
        }};
        resume();
    }
    bool waits() const { return thread_.joinable() && !over_; }

    // Lets the call see what has changed.
    void resume()
    {
        if (waits()) {
            hand_to(party::call);
            take_turn(party::script);
        }
    }
    void give_up()
    {
        given_up_ = true;
        while (waits()) {
            resume();
        }
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    // --- the call's thread -------------------------------------------------------------------------------------------

    bool is_here() const { return thread_.get_id() == std::this_thread::get_id(); }

    // Nothing more can be done until the world has gone on. False: it was given up.
    bool wait()
    {
        if (!given_up_) {
            hand_to(party::script);
            take_turn(party::call);
        }
        return !given_up_;
    }

private:
    enum class party : std::uint8_t { script, call };

    void hand_to(party to)
    {
        const std::lock_guard lock{mutex_};
        has_turn_ = to;
        changed_.notify_all();
    }
    void take_turn(party mine)
    {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return has_turn_ == mine; });
    }

    std::thread thread_;
    std::mutex mutex_;
    std::condition_variable changed_;
    party has_turn_ = party::script;
    bool over_ = false;
    bool given_up_ = false;
};

}  // namespace tcpco_test::drill
