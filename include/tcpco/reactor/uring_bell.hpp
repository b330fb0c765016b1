// A doorbell as a message from ring to ring (IORING_OP_MSG_RING): the other ring gets a completion that is for nobody,
// and its reactor a turn. No system call of its own: the entry leaves with the turn's submission.
//
// Where the kernel refuses (the other ring is not enabled yet, or its completion queue is full) the bell goes over to
// the other reactor's eventfd, this time and from then on: a refused wake-up must not be lost, and a second refusal
// would be as likely.
#pragma once

#include <liburing.h>

#include "tcpco/async/doorbell.hpp"
#include "tcpco/reactor/poll_common.hpp"
#include "tcpco/reactor/uring_ring.hpp"

namespace tcpco {

class uring_bell final : public doorbell, kernel_completion {
public:
    // `own` is the sender's ring; `otherwise` the eventfd of the reactor behind `to`. A message is
    // delivered or refused while it is submitted; the refusal is heard at the next harvest, so this must outlive that.
    uring_bell(uring_ring& own, int to, const detail::wake_event& otherwise) noexcept
        : kernel_completion{&completed}, ring_{own}, to_{to}, otherwise_{otherwise}
    {
    }

    void ring() noexcept override
    {
        io_uring_sqe* const sqe = refused_ ? nullptr : ring_.get_sqe();
        if (sqe == nullptr) {
            otherwise_.signal();
            return;
        }
        io_uring_prep_msg_ring(sqe, to_, 0, 0, 0);  // user_data 0 over there: a completion for nobody
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        io_uring_sqe_set_data(sqe, static_cast<kernel_completion*>(this));
    }

    bool refused() const noexcept { return refused_; }

private:
    static void completed(kernel_completion& c, int result, unsigned) noexcept
    {
        auto& self = static_cast<uring_bell&>(c);
        if (result < 0) {
            self.refused_ = true;
            self.otherwise_.signal();
        }
    }

    uring_ring& ring_;
    int to_;
    const detail::wake_event& otherwise_;
    bool refused_ = false;
};

}  // namespace tcpco
