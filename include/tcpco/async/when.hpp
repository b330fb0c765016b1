// when_all and when_any: several operations or tasks as one operation.
//
//     auto [a, b] = co_await when_all(first.write(x), second.write(y));
//     auto [index, results] = co_await when_any(socket.read_some(buffer), sleep_for(1_s));
//
// Both wait until *every* part has completed. when_any cancels the others as soon as one part completes, and gives the
// results of all: a loser may have completed in the same turn, and its octets must not vanish. Parts start in order;
// once one has completed without waiting, when_any starts the later ones stopped, so that they do nothing. A void
// result shows as std::monostate.
//
// when_all cancels nobody because of an error code. Where a task ends with an exception, both cancel the other parts
// and the exception is rethrown when all have ended; of several, that of the first in the list.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "tcpco/async/operation.hpp"
#include "tcpco/async/task.hpp"
#include "tcpco/core/assert.hpp"
#include "tcpco/core/completion.hpp"

namespace tcpco {

// A class with constructors, not an aggregate (g++ 12).
template <class... Results>
struct [[nodiscard]] when_any_result {
    std::size_t index;  // which completed first
    std::tuple<Results...> results;

    when_any_result(std::size_t first, std::tuple<Results...> all) : index{first}, results{std::move(all)} {}
};

namespace detail {

template <class Op>
using value_result_t =
    std::conditional_t<std::is_void_v<operation_result_t<Op>>, std::monostate, operation_result_t<Op>>;

template <operation Op>
value_result_t<Op> value_result(Op& op)
{
    if constexpr (std::is_void_v<operation_result_t<Op>>) {
        op.result();
        return {};
    } else {
        return op.result();
    }
}

template <class Op>
bool has_failed(const Op& op) noexcept
{
    if constexpr (requires { { op.failed() } -> std::same_as<bool>; }) {
        return op.failed();
    } else {
        return false;
    }
}

enum class join_policy { all, any };

// What the parts tell the operation that they are parts of.
class join_base {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    explicit join_base(void (*cancel_parts)(join_base&) noexcept, join_policy policy) noexcept
        : cancel_parts_{cancel_parts}, policy_{policy}
    {
    }

    std::size_t first() const noexcept { return first_; }
    bool stopping() const noexcept { return stopping_; }

    void begin(std::size_t parts, completion& continuation) noexcept
    {
        pending_ = parts + 1;  // one for start() itself
        continuation_ = &continuation;
    }

    // True if all parts have ended. Otherwise the continuation follows.
    bool end_of_start() noexcept { return --pending_ == 0; }

    void part_done(std::size_t index, bool failed) noexcept
    {
        if (first_ == none) {
            first_ = index;
        }
        if ((policy_ == join_policy::any || failed) && !std::exchange(stopping_, true)) {
            cancel_parts_(*this);
        }
        --pending_;
    }

    // For parts that the ready queue invoked. Its last action: the continuation may destroy this.
    void part_completed(std::size_t index, bool failed) noexcept
    {
        part_done(index, failed);
        if (pending_ == 0) {
            continuation_->invoke(*continuation_);
        }
    }

private:
    void (*cancel_parts_)(join_base&) noexcept;
    completion* continuation_ = nullptr;
    std::size_t pending_ = 0;
    std::size_t first_ = none;
    join_policy policy_;
    bool stopping_ = false;
};

template <std::size_t Index, operation Op>
class join_part : completion {
public:
    explicit join_part(Op&& op) : completion{&completed}, op_(std::move(op)) {}
    join_part(join_part&& other) : completion{&completed}, op_(std::move(other.op_)) {}

    bool ready() { return op_.ready(); }

    void start(join_base& parent, const environment& env)
    {
        parent_ = &parent;
        if (op_.start(*this, parent.stopping() ? with_stop(env, stop_token::stopped()) : env)) {
            waiting_ = true;
        } else {
            parent.part_done(Index, has_failed(op_));
        }
    }

    void cancel() noexcept
    {
        if (waiting_ && !linked()) {
            op_.cancel();
        }
    }

    bool failed() const noexcept { return has_failed(op_); }
    value_result_t<Op> result() { return value_result(op_); }

private:
    static environment with_stop(environment env, stop_token stop) noexcept
    {
        env.stop = stop;
        return env;
    }

    static void completed(completion& c) noexcept
    {
        join_part& self = static_cast<join_part&>(c);
        self.waiting_ = false;
        self.parent_->part_completed(Index, has_failed(self.op_));
    }

    join_base* parent_ = nullptr;
    bool waiting_ = false;
    Op op_;
};

template <class Indices, class... Ops>
class join_parts;

template <std::size_t... I, class... Ops>
class join_parts<std::index_sequence<I...>, Ops...> : join_part<I, Ops>... {
public:
    explicit join_parts(Ops&&... ops) : join_part<I, Ops>(std::move(ops))... {}
    join_parts(join_parts&&) = default;

    bool all_ready() { return (join_part<I, Ops>::ready() && ...); }
    void start([[maybe_unused]] join_base& parent, [[maybe_unused]] const environment& env)
    {
        (join_part<I, Ops>::start(parent, env), ...);
    }
    void cancel() noexcept { (join_part<I, Ops>::cancel(), ...); }
    bool failed() const noexcept { return (join_part<I, Ops>::failed() || ...); }

    // Braces, so that results are taken in order.
    std::tuple<value_result_t<Ops>...> results()
    {
        return std::tuple<value_result_t<Ops>...>{join_part<I, Ops>::result()...};
    }
};

template <join_policy Policy, operation... Ops>
class join_operation : join_base {
public:
    explicit join_operation(Ops&&... ops) : join_base{&cancel_parts, Policy}, parts_{std::move(ops)...} {}
    join_operation(join_operation&& other)
        : join_base{&cancel_parts, Policy}, parts_{std::move(other.parts_)}
    {
    }

    bool ready() { return false; }

    bool start(completion& c, const environment& env)
    {
        begin(sizeof...(Ops), c);
        parts_.start(*this, env);
        return !end_of_start();
    }

    void cancel() noexcept { parts_.cancel(); }
    bool failed() const noexcept { return parts_.failed(); }

    auto result()
    {
        if constexpr (Policy == join_policy::all) {
            return parts_.results();
        } else {
            return when_any_result<value_result_t<Ops>...>{first(), parts_.results()};
        }
    }

private:
    static void cancel_parts(join_base& base) noexcept { static_cast<join_operation&>(base).parts_.cancel(); }

    join_parts<std::index_sequence_for<Ops...>, Ops...> parts_;
};

}  // namespace detail

// -> std::tuple of the results.
template <class... X>
auto when_all(X&&... parts)
{
    return detail::join_operation<detail::join_policy::all, as_operation_t<X>...>{
        as_operation(std::forward<X>(parts))...};
}

// -> when_any_result.
template <class... X>
    requires(sizeof...(X) > 0)
auto when_any(X&&... parts)
{
    return detail::join_operation<detail::join_policy::any, as_operation_t<X>...>{
        as_operation(std::forward<X>(parts))...};
}

}  // namespace tcpco
