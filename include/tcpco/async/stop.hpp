// Stop requests on one thread.
//
// Like std::stop_source and its relatives, without their shared state: the source is owned by something that encloses
// whoever listens (a scope, a root task), a token is a pointer to it, and a callback is an intrusive node. So a token
// is trivially copyable, nothing is allocated, and no atomic is touched. A token must not outlive its source.
// Stop requests from other threads arrive through async/std_stop.hpp.
#pragma once

#include <type_traits>

namespace tcpco {

class stop_source;

// Called once if a stop is requested while it is attached. A callback that is destroyed detaches itself.
class stop_callback {
public:
    using function = void (*)(stop_callback&) noexcept;

    explicit stop_callback(function f) noexcept : invoke_{f} {}
    stop_callback(const stop_callback&) = delete;
    stop_callback& operator=(const stop_callback&) = delete;
    ~stop_callback() { detach(); }

    void detach() noexcept
    {
        if (next_ != nullptr) {
            next_->prev_ = prev_;
            prev_->next_ = next_;
            next_ = prev_ = nullptr;
        }
    }

private:
    friend class stop_source;

    stop_callback* next_ = nullptr;
    stop_callback* prev_ = nullptr;
    function invoke_;
};

class stop_token {
public:
    // Never stopped.
    constexpr stop_token() = default;

    // Always stopped: for a loser that must not begin.
    static stop_token stopped() noexcept;

    bool stop_possible() const noexcept { return source_ != nullptr; }
    bool stop_requested() const noexcept;

    // False, and not attached, if a stop has been requested already.
    [[nodiscard]] bool attach(stop_callback& callback) const noexcept;

private:
    friend class stop_source;
    constexpr explicit stop_token(stop_source* source) noexcept : source_{source} {}

    stop_source* source_ = nullptr;
};
static_assert(std::is_trivially_copyable_v<stop_token> && std::is_trivially_destructible_v<stop_token>);

class stop_source {
public:
    stop_source() noexcept { list_.next_ = list_.prev_ = &list_; }
    stop_source(const stop_source&) = delete;
    stop_source& operator=(const stop_source&) = delete;

    ~stop_source()
    {
        while (list_.next_ != &list_) {
            list_.next_->detach();
        }
    }

    stop_token token() noexcept { return stop_token{this}; }
    bool stop_requested() const noexcept { return requested_; }

    // Calls what is attached, in order of attachment. Callbacks cancel operations, and a cancelled operation queues
    // its completion: no coroutine runs inside of this call. False if it was requested before.
    bool request_stop() noexcept
    {
        if (requested_) {
            return false;
        }
        requested_ = true;
        while (list_.next_ != &list_) {
            stop_callback& callback = *list_.next_;
            callback.detach();
            callback.invoke_(callback);
        }
        return true;
    }

private:
    friend class stop_token;

    void attach(stop_callback& callback) noexcept
    {
        callback.next_ = &list_;
        callback.prev_ = list_.prev_;
        callback.prev_->next_ = &callback;
        list_.prev_ = &callback;
    }

    stop_callback list_{nullptr};
    bool requested_ = false;
};

inline bool stop_token::stop_requested() const noexcept
{
    return source_ != nullptr && source_->requested_;
}

inline bool stop_token::attach(stop_callback& callback) const noexcept
{
    if (source_ == nullptr) {
        return true;
    }
    if (source_->requested_) {
        return false;
    }
    source_->attach(callback);
    return true;
}

inline stop_token stop_token::stopped() noexcept
{
    // Thread-local, since nothing of this file is shared between threads.
    thread_local stop_source source;
    source.requested_ = true;
    return source.token();
}

}  // namespace tcpco
