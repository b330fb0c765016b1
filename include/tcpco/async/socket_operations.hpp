// The operations of a tcp_socket; tcp_socket.hpp says what they do, socket_wait.hpp how they wait.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tcpco/async/error.hpp"
#include "tcpco/async/operation.hpp"
#include "tcpco/async/socket_octets.hpp"
#include "tcpco/async/socket_wait.hpp"
#include "tcpco/stack/socket_handle.hpp"
#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

// tcp_socket::read_some() into N buffers.
template <std::size_t N>
class read_some_operation : public detail::single_wait<wait_kind::read> {
    using base = detail::single_wait<wait_kind::read>;

public:
    read_some_operation(const socket_handle& stack, connection_id id,
                        const std::array<std::span<std::byte>, N>& buffers) noexcept
        : base{stack, id}, buffers_{buffers}
    {
    }

    bool ready() const noexcept { return nothing_to_read() || base::ready(); }
    bool complete_at_once() noexcept
        requires(N == 1)
    {
        stack_port* p = this->port();
        const std::size_t n = p != nullptr ? p->read_at_once(this->id(), buffers_[0]) : 0;
        if (n > 0) {
            buffers_[0] = buffers_[0].first(n);
            at_once_ = true;
        }
        return n > 0;
    }
    bool start(completion& c, const environment& env) noexcept
    {
        return (!nothing_to_read() || env.stop.stop_requested()) && base::start(c, env);
    }
    io_result result() noexcept
    {
        if (at_once_) {
            return {make_error_code(errc::ok), buffers_[0].size()};
        }
        const auto [ec, n] = finish<std::size_t>([this](stack_port& port, connection_id id) { return read(port, id); });
        return {make_error_code(ec), n};
    }

private:
    bool nothing_to_read() const noexcept
    {
        return std::all_of(buffers_.begin(), buffers_.end(), [](const auto& buffer) { return buffer.empty(); });
    }

    tcpco::result<std::size_t> read(stack_port& port, connection_id id) const noexcept
    {
        std::size_t total = 0;
        for (const std::span<std::byte> buffer : buffers_) {
            if (buffer.empty() && !nothing_to_read()) {
                continue;
            }
            const auto [ec, n] = port.read(id, buffer);
            total += n;
            if (ec != errc::ok && total == 0) {
                return {ec, 0};
            }
            if (n < buffer.size()) {
                break;
            }
        }
        return {errc::ok, total};
    }

    bool at_once_ = false;
    std::array<std::span<std::byte>, N> buffers_;
};

// tcp_socket::receive()
class receive_operation : public detail::single_wait<wait_kind::read> {
public:
    using single_wait::single_wait;

    io_result_of<received> result() noexcept
    {
        auto [ec, octets] =
            finish<slice>([](stack_port& port, connection_id id) { return port.take(id); });
        return {make_error_code(ec), received{std::move(octets)}};
    }
};

namespace detail {

// Waits for something to be over, and says how it ended: errc Ended(stack_port&, connection_id) where it is.
template <wait_kind Kind, auto Ended>
class until_over : public single_wait<Kind> {
public:
    using single_wait<Kind>::single_wait;

    std::error_code result() noexcept
    {
        const auto answer = this->template finish<char>([](stack_port& port, connection_id id) -> tcpco::result<char> {
            return {port.is_over(id, Kind) ? Ended(port, id) : errc::would_block, {}};
        });
        return make_error_code(answer.ec);
    }
};

// Reading or writing will say how it ended; here only whether there is a socket.
inline errc is_there(stack_port& port, connection_id id) noexcept
{
    return port.peek(id, {}).ec;
}
inline errc reason_of_end(stack_port& port, connection_id id) noexcept
{
    return port.error_of(id);
}

inline errc urgent_or_end(stack_port& port, connection_id id) noexcept
{
    const errc error = port.error_of(id);
    return port.urgent_ahead(id) > 0 ? errc::ok : error != errc::ok ? error : errc::end_of_stream;
}

}  // namespace detail

using readable_operation = detail::until_over<wait_kind::read, &detail::is_there>;
using writable_operation = detail::until_over<wait_kind::write, &detail::is_there>;
using urgent_operation = detail::until_over<wait_kind::urgent, &detail::urgent_or_end>;
using flush_operation = detail::until_over<wait_kind::flush, &detail::reason_of_end>;
using closed_operation = detail::until_over<wait_kind::close, &detail::reason_of_end>;

// tcp_socket::read_exactly()
class read_exactly_operation : public detail::stepwise_wait<read_exactly_operation, wait_kind::read> {
    using base = detail::stepwise_wait<read_exactly_operation, wait_kind::read>;

public:
    read_exactly_operation(const socket_handle& stack, connection_id id, std::span<std::byte> buffer) noexcept
        : base{stack, id}, rest_{buffer}, size_{buffer.size()}
    {
    }

    io_result result() const noexcept { return {make_error_code(outcome()), size_ - rest_.size()}; }

private:
    friend base;

    bool step_at_once(stack_port& port, connection_id id) noexcept
    {
        const bool done = port.read_at_once(id, rest_, rest_.size()) > 0;
        rest_ = done ? rest_.last(0) : rest_;
        return done;
    }

    errc step(stack_port& port, connection_id id) noexcept
    {
        do {
            const auto [ec, n] = port.read(id, rest_);
            if (ec != errc::ok) {
                return ec;
            }
            rest_ = rest_.subspan(n);
        } while (!rest_.empty());
        return errc::ok;
    }

    std::span<std::byte> rest_;
    std::size_t size_;
};

// tcp_socket::read_until()
template <octet_storage Storage>
class read_until_operation : public detail::stepwise_wait<read_until_operation<Storage>, wait_kind::read> {
    using base = detail::stepwise_wait<read_until_operation, wait_kind::read>;

public:
    read_until_operation(const socket_handle& stack, connection_id id, Storage& storage, std::string_view delimiter,
                         std::size_t limit) noexcept
        : base{stack, id}, storage_{&storage}, delimiter_{delimiter}, limit_{limit}
    {
    }

    io_result result() const noexcept { return {make_error_code(this->outcome()), n_}; }

private:
    friend base;

    static constexpr std::size_t chunk = 1'024;  // octets looked at in one go

    errc step(stack_port& port, connection_id id) noexcept
    {
        if (delimiter_.empty()) {
            return errc::invalid_argument;
        }
        try {
            return grow(port, id);
        } catch (const std::bad_alloc&) {
            return errc::no_buffer_space;
        }
    }

    // Looks before it takes, so that what is behind the delimiter stays with the socket.
    errc grow(stack_port& port, connection_id id)
    {
        for (;;) {
            if (found()) {
                return errc::ok;
            }
            const std::size_t before = n_ = storage_->size();
            if (before >= limit_) {
                return errc::message_size;
            }
            storage_->resize(before + std::min(chunk, limit_ - before));
            const auto [ec, n] = port.peek(id, octets().subspan(before));
            storage_->resize(before + n);
            if (ec != errc::ok) {
                return ec;
            }
            if (found()) {
                storage_->resize(n_);
            }
            static_cast<void>(port.read(id, octets().subspan(before)));
        }
    }

    // The delimiter lies within the storage's first n_ octets then.
    bool found() noexcept
    {
        const std::string_view text{reinterpret_cast<const char*>(std::data(*storage_)), std::size(*storage_)};
        const std::size_t at = text.substr(0, limit_).find(delimiter_, searched_);
        if (at == text.npos) {
            searched_ = text.size() < delimiter_.size() ? 0 : text.size() - delimiter_.size() + 1;
            return false;
        }
        searched_ = at;
        n_ = at + delimiter_.size();
        return true;
    }

    std::span<std::byte> octets() noexcept
    {
        return std::as_writable_bytes(std::span{std::data(*storage_), std::size(*storage_)});
    }

    Storage* storage_;
    std::string_view delimiter_;
    std::size_t limit_;
    std::size_t searched_ = 0;  // no delimiter begins before
    std::size_t n_ = 0;
};

// tcp_socket::write() of N buffers, or write_some() where Some.
template <std::size_t N, bool Some>
class write_operation : public detail::stepwise_wait<write_operation<N, Some>, wait_kind::write> {
    using base = detail::stepwise_wait<write_operation, wait_kind::write>;

public:
    write_operation(const socket_handle& stack, connection_id id,
                    const std::array<std::span<const std::byte>, N>& buffers) noexcept
        : base{stack, id}, buffers_{buffers}
    {
    }

    io_result result() const noexcept { return {make_error_code(this->outcome()), n_}; }

private:
    friend base;

    bool step_at_once(stack_port& port, connection_id id) noexcept
        requires(N == 1)
    {
        const bool done = port.write_at_once(id, buffers_[0]);
        n_ = done ? buffers_[0].size() : 0;
        return done;
    }

    errc step(stack_port& port, connection_id id) noexcept
    {
        for (std::span<const std::byte>& buffer : buffers_) {
            do {
                const auto [ec, n] = port.write(id, buffer);
                n_ += n;
                buffer = buffer.subspan(n);
                if (ec != errc::ok) {
                    return Some && n_ > 0 ? errc::ok : reason(port, id, ec);
                }
            } while (!buffer.empty());
        }
        return errc::ok;
    }

    // The first to learn of the peer's reset is told of it; who writes afterwards gets broken_pipe. Exhausted pools are
    // waited for: the stack tells when slots are back.
    errc reason(stack_port& port, connection_id id, errc ec) const noexcept
    {
        if (ec == errc::no_buffer_space) {
            return errc::would_block;
        }
        const bool reset = ec == errc::broken_pipe && this->has_waited() && port.error_of(id) == errc::connection_reset;
        return reset ? errc::connection_reset : ec;
    }

    std::array<std::span<const std::byte>, N> buffers_;
    std::size_t n_ = 0;
};

// What a suspended session costs: an operation and its awaiter stand in the coroutine's frame.
static_assert(operation<read_some_operation<1>> && sizeof(read_some_operation<1>) <= 56);
static_assert(operation<receive_operation> && sizeof(receive_operation) <= 40);
static_assert(operation<readable_operation> && sizeof(readable_operation) <= 40);
static_assert(operation<writable_operation> && sizeof(writable_operation) <= 40);
static_assert(operation<flush_operation> && sizeof(flush_operation) <= 40);
static_assert(operation<closed_operation> && sizeof(closed_operation) <= 40);
static_assert(operation<read_exactly_operation> && sizeof(read_exactly_operation) <= 88);
static_assert(operation<write_operation<1, false>> && sizeof(write_operation<1, false>) <= 88);
static_assert(operation<read_until_operation<std::string>> && sizeof(read_until_operation<std::string>) <= 112);
static_assert(sizeof(awaiter<receive_operation>) <= 72);
static_assert(coroutine_safe<read_some_operation<1>> && coroutine_safe<receive_operation> &&
              coroutine_safe<readable_operation> && coroutine_safe<writable_operation> &&
              coroutine_safe<flush_operation> && coroutine_safe<closed_operation> &&
              coroutine_safe<read_exactly_operation> &&
              coroutine_safe<read_until_operation<std::string>> && coroutine_safe<write_operation<1, false>> &&
              coroutine_safe<io_result_of<received>>);

}  // namespace tcpco
