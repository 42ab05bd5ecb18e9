"""The words that customers read: one text per template id (DOMAIN section 3).

For who edits them: plain text, ``$name`` is a variable and must be one of the template's own,
``$$`` is a dollar sign. Each text asks or informs and promises nothing: no time, no money, no
change to an order, because whoever reads the ticket next decides that.
"""

from __future__ import annotations

from typing import NamedTuple


class TemplateText(NamedTuple):
    """A text and the names of all variables that it uses."""

    text: str
    variables: frozenset[str] = frozenset()


TEXTS: dict[str, TemplateText] = {
    "t_order_status_ask_order_number": TemplateText(
        "Hello,\n\n"
        "thank you for your message. So that we can look up your order, please reply with your "
        "order number. You can find it in your order confirmation.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_order_status_verified": TemplateText(
        "Hello,\n\n"
        "thank you for your message. The current status of your order $order_number is: "
        "$order_status. You can follow it here: $tracking_url\n\n"
        "If this does not answer your question, simply reply to this message.\n\n"
        "Kind regards,\nCustomer Support",
        frozenset({"order_number", "order_status", "tracking_url"}),
    ),
    "t_shipping_delay_verified": TemplateText(
        "Hello,\n\n"
        "thank you for your message, and we are sorry for the wait. The current status of your "
        "order $order_number is: $order_status.\n\n"
        "If you have any further question, simply reply to this message.\n\n"
        "Kind regards,\nCustomer Support",
        frozenset({"order_number", "order_status"}),
    ),
    "t_delivered_not_received_intake": TemplateText(
        "Hello,\n\n"
        "we are sorry to hear that your parcel is not with you. Please reply with your order "
        "number and the delivery address, and let us know whether you were able to ask your "
        "neighbours or the carrier about it.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_missing_items_intake": TemplateText(
        "Hello,\n\n"
        "we are sorry that something was missing from your parcel. Please reply with your order "
        "number, the items that are missing and, if you can, a photo of what you received and "
        "of the packaging.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_wrong_item_intake": TemplateText(
        "Hello,\n\n"
        "we are sorry that you received the wrong item. Please reply with your order number, "
        "the item that you ordered and a photo of the one that arrived.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_damaged_item_intake": TemplateText(
        "Hello,\n\n"
        "we are sorry that your item arrived damaged. Please reply with your order number, a "
        "short description of the damage and a photo of the item and its packaging.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_cancel_order_ack_intake": TemplateText(
        "Hello,\n\n"
        "we have received your request to cancel an order. Please reply with the order number "
        "if your message did not contain it. A cancellation depends on how far the order has "
        "come; it is not cancelled until you hear so from our team.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_address_change_ack_intake": TemplateText(
        "Hello,\n\n"
        "we have received your request to change an order. Please reply with the order number "
        "and the complete new address or the change that you would like. It is not changed until "
        "you hear so from our team, as this depends on how far the order has come.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_cancel_subscription_ack_intake": TemplateText(
        "Hello,\n\n"
        "we have received your request about your subscription. Please reply with the email "
        "address that it is registered with, or the number of its latest order. The "
        "subscription stays as it is until you hear from our team.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_billing_issue_intake": TemplateText(
        "Hello,\n\n"
        "thank you for telling us about this charge. Please reply with your order number, the "
        "date and the amount of the charge. Please do not send us card numbers or passwords.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_return_request_intake": TemplateText(
        "Hello,\n\n"
        "we have received your return request. Please reply with your order number, the items "
        "that you would like to return and the reason. Please keep the items until you hear "
        "from our team.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_exchange_request_intake": TemplateText(
        "Hello,\n\n"
        "we have received your exchange request. Please reply with your order number, the item "
        "that you would like to exchange and the size, colour or item that you would like "
        "instead.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_refund_request_intake": TemplateText(
        "Hello,\n\n"
        "we have received your question about a refund. Please reply with your order number, "
        "the items that it is about and the reason, so that our team can look into it.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_technical_support_intake": TemplateText(
        "Hello,\n\n"
        "we are sorry that something does not work as it should. Please reply with the name of "
        "the product, what you tried to do and what happened instead, and add a photo or a "
        "screenshot if you can.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_promo_discount_info": TemplateText(
        "Hello,\n\n"
        "thank you for your question about a promotion. Please reply with the code or the offer, "
        "where you saw it and the message that appears when you use it. Never tell us "
        "your password.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_pre_purchase_info": TemplateText(
        "Hello,\n\n"
        "thank you for your interest. Your question is with our sales team. To help them answer "
        "it, please reply with the product that it is about, if your message did not name "
        "it.\n\n"
        "Kind regards,\nCustomer Support"
    ),
    "t_influencer_inquiry_route": TemplateText(
        "Hello,\n\n"
        "thank you for your interest in working with us. Your message is with our social media "
        "team. Please reply with links to your channels and a few words about your idea, if "
        "your message did not contain them.\n\n"
        "Kind regards,\nCustomer Support"
    ),
}
